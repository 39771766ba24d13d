"""The log of events, the state that is read from it, `gptkit watch` and the live report."""

import logging
import time

import pytest

import gptkit
from gptkit.errors import Stopped
from gptkit.events import ArmDone, Evaluated, StepDone, TrialDone
from gptkit.events.log import Ended, EventLog, Happened, PlannedArm, Started, read_records
from gptkit.events.losses import Loss
from gptkit.report.html.running import running_page
from gptkit.report.running import Running, running_table
from gptkit.trackers import live_report

SMALL = {"models": ["bigram"], "budget": "8steps", "bytes_per_step": 256, "context_bytes": 32}
LOSS = Loss(bytes=9, chars=9, tokens=3, nats_per_token=2.0, nats_per_char=0.5, bits_per_byte=1.5)


def compare(text_file, out, **options):
    return gptkit.compare(
        tokenizers=["char", "byte"], data=str(text_file), out=str(out), name="a", **SMALL | options
    )


def test_the_log_grows_while_the_experiment_runs(text_file, tmp_path):
    lengths = []

    def on_event(arm, event):
        lengths.append((tmp_path / "a" / "events.jsonl").stat().st_size)

    compare(text_file, tmp_path, on_event=on_event)
    assert lengths[0] > 0
    assert lengths[-1] > lengths[0]
    records = [record for record, _ in read_records(tmp_path / "a" / "events.jsonl")]
    first, *events, last = records
    assert isinstance(first, Started)
    assert [arm.id for arm in first.arms] == ["char-bigram-s0", "byte-bigram-s0"]
    assert [arm.steps for arm in first.arms] == [8, 8]
    assert isinstance(last, Ended)
    assert last.status == "finished"
    kinds = [(one.arm, type(one.event)) for one in events]
    assert kinds.count(("char-bigram-s0", Evaluated)) == 4
    assert kinds[-1] == ("byte-bigram-s0", ArmDone)
    assert records == sorted(records, key=lambda record: record.time)


def test_a_half_written_line_is_read_when_it_is_whole(tmp_path):
    file = tmp_path / "events.jsonl"
    whole = b'{"record":"ended","time":5.0,"status":"finished"}\n'
    file.write_bytes(whole + b"no record\n" + whole[:20])
    found = [*read_records(file)]
    assert [record.time for record, _ in found] == [5.0]
    offset = found[0][1]
    file.write_bytes(whole + b"no record\n" + whole.replace(b"5.0", b"6.0"))
    assert [record.time for record, _ in read_records(file, offset)] == [6.0]


@pytest.fixture
def warned(monkeypatch):
    """The warnings that are logged."""
    said = []
    monkeypatch.setattr(
        logging.getLogger("gptkit"), "warning", lambda text, *of: said.append(text % of)
    )
    return said


def test_a_full_disk_ends_the_log_and_no_training(tmp_path, warned):
    log = EventLog(tmp_path / "missing")
    log.begin("a", [])
    log.end("finished")
    file = tmp_path / "missing" / "events.jsonl"
    assert warned == [f"note: {file} is not written any more: No such file or directory"]


def state(*happened):
    running = Running()
    plan = PlannedArm(id="x", tokenizer="char", model="bigram", seed=0, steps=8, seconds=None)
    running.add(Started(time=1.0, name="a", arms=[plan]))
    for i, event in enumerate(happened):
        running.add(Happened(time=2.0 + i, arm="x", event=event))
    return running


STEP = StepDone(step=4, loss=2.0, seconds=1.0, train_bytes=40, train_tokens=10)
SCORE = Evaluated(step=4, seconds=1.0, train_bytes=40, loss=LOSS, best=True)


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        ([], ["waits", "0%", "", ""]),
        ([TrialDone(factor=1.0, bits_per_byte=2.0, part=1.0)], ["tunes", "0%", "", ""]),
        ([STEP], ["trains", "50%", "2.000", ""]),
        ([STEP, SCORE], ["trains", "50%", "2.000", "1.500"]),
        ([STEP, SCORE, ArmDone(loss=LOSS)], ["done", "100%", "", "1.500"]),
    ],
)
def test_an_arm_is_shown_as_far_as_it_is(events, shown):
    (row,) = running_table(state(*events)).rows
    assert [getattr(cell, "text", cell) for cell in row][1:5] == shown


def test_a_command_that_was_killed_is_known_by_its_silence():
    running = state(STEP)
    assert running.summary(running.latest + 5) == "a: 0 of 1 arm done."
    assert running.summary(running.latest + 600) == "a: 0 of 1 arm done; no news for 10 min."
    running.add(Ended(time=9.0, status="stopped"))
    assert running.summary(9000.0) == "a: 0 of 1 arm done; stopped."


def test_watch_shows_a_finished_experiment_and_the_answer(gptkit, text_file, tmp_path):
    compare(text_file, tmp_path)
    code, out, _ = gptkit("watch", tmp_path / "a")
    assert code == 0
    assert "a: 2 of 2 arms done; finished." in out
    assert "has the lowest loss on" in " ".join(out.split())
    code, out, err = gptkit("watch", tmp_path / "nowhere")
    assert code == 2
    assert "has no events.jsonl" in err


def test_watch_shows_a_running_experiment_once_without_a_terminal(gptkit, text_file, tmp_path):
    seen = []

    def on_event(arm, event):
        if isinstance(event, Evaluated) and not seen:
            seen.append(gptkit("watch", tmp_path / "a"))

    compare(text_file, tmp_path, on_event=on_event)
    ((code, out, _),) = seen
    assert code == 0
    assert "a: 0 of 2 arms done." in out
    assert "waits" in out


def test_the_live_report_is_written_at_each_evaluation(text_file, tmp_path):
    pages = []

    def on_event(arm, event):
        if isinstance(event, Evaluated):
            pages.append((tmp_path / "a" / "report.html").read_text(encoding="utf-8"))

    compare(text_file, tmp_path, on_event=on_event, live_report=True)
    assert len(pages) == 8
    assert all('http-equiv="refresh"' in page for page in pages)
    assert "<svg" not in pages[0]  # before the first evaluation there is no curve
    assert "<svg" in pages[-1]
    assert "a: 1 of 2 arms done." in pages[-1]
    final = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "refresh" not in final
    assert 'id="map-data"' in final


def test_a_stopped_experiment_leaves_a_page_that_is_still(text_file, tmp_path):
    def on_event(arm, event):
        if isinstance(event, ArmDone):
            raise KeyboardInterrupt

    with pytest.raises(Stopped):
        compare(text_file, tmp_path, on_event=on_event, live_report=True)
    page = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "refresh" not in page
    (*_, (last, _)) = read_records(tmp_path / "a" / "events.jsonl")
    assert last.status == "stopped"


def test_an_experiment_that_did_nothing_leaves_its_name_free(text_file, tmp_path):
    class Stopping:
        def run(self, jobs, on_event):
            assert (tmp_path / "a" / "events.jsonl").exists()
            raise KeyboardInterrupt

    experiment = gptkit.Experiment(
        tokenizers=["char"], data=str(text_file), out=str(tmp_path), name="a", **SMALL
    )
    with pytest.raises(Stopped):
        experiment.run(engine=Stopping())
    assert not (tmp_path / "a").exists()


def test_a_page_that_cannot_be_written_stops_nothing(text_file, tmp_path, monkeypatch, warned):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(live_report, "write_text", full)
    result = compare(text_file, tmp_path, live_report=True)
    assert len(result.arms) == 2
    assert warned == ["note: report.html is not written: No space left on device"]


def test_the_running_page_escapes_names():
    running = state(STEP)
    running.name = "<script>alert(1)</script>"
    assert "<script>alert" not in running_page(running)


def test_a_resumed_experiment_adds_to_the_log(text_file, tmp_path):
    compare(text_file, tmp_path)
    compare(text_file, tmp_path, resume=True)
    running = Running()
    running.read(tmp_path / "a" / "events.jsonl")
    assert running.status == "finished"
    assert all(arm.state == "done" for arm in running.arms.values())
    assert running.latest <= time.time()
