"""The HTML page, as a browser shows it: complete, harmless, and usable in every way it is read."""

import html
import re

import numpy as np
import pytest
from chromium import BROWSER, Page
from pages import make_experiment, make_page

from gptkit.report.html.experiment import experiment_page
from gptkit.report.html.svg import N_COLOURS
from gptkit.report.sentences import headline
from gptkit.results.loss_map import MappedArm, Piece, compare_piece, scale_limit
from gptkit.results.summary import group_by_model, mean_bits

needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
VERSE = (
    "First Citizen:\nWe are accounted poor citizens, the patricians good.\n\n"
    "What authority surfeits on would relieve us: if they would yield us but the superfluity.\n"
)
HOSTILE = {
    "script": "a</script><script>window.hacked = 1</script><!-- <script> &lt; &amp; ]]>\n" + VERSE,
    "ansi": "\x1b[31mred\x07\x1b]0;title\x07 \x9b2J" + VERSE,
    "right to left": "abc \u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd \u200f! \u2066x\u2069 "
    + VERSE,
    "nul": "\0a\0\0b\r\nc\rd\x7f" + VERSE,
    "combining": "\u0301\u0301 e\u0301 \u20dd " + "\u0300" * 30 + " " + VERSE,
    "first line break": "\n\n" + VERSE,
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 𝔘𝔫𝔦 ⚙️ " + VERSE,
}
MAP_TEXT = "[...document.querySelectorAll('#map-text pre')].map(e => e.textContent).join('')"
CLASSES = """[...document.querySelectorAll('#map-text pre')].flatMap(pre => {
    const found = [];
    const walk = (node, kind) => {
        if (node.nodeType === 3) { for (const c of node.data) found.push(kind); return; }
        const mine = /^[ab][0-4]/.exec(node.className ?? "");
        for (const child of node.childNodes) walk(child, mine ? mine[0] : kind);
    };
    walk(pre, "a0");
    return found;
})"""
CONTRAST = """(() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgb = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const backgroundOf = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const found = rgb(getComputedStyle(e).backgroundColor);
            if (found[3] === 255) return found;
        }
        return rgb("canvas");
    };
    let worst = [99, ""];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (!own || !element.checkVisibility()) continue;
        if (element.matches("title, script, i.hidden")) continue;
        const style = getComputedStyle(element);
        const ink = element instanceof SVGElement ? style.fill : style.color;
        const [a, b] = [light(rgb(ink)), light(backgroundOf(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 80)];
    }
    return worst;
})()"""


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("there is no Chromium here")
    with Page() as page:
        yield page


@pytest.fixture(scope="module")
def experiment():
    """Three tokenizers, two models, two seeds."""
    tokenizers = {"char": "char", "byte": "byte", "gpt2": "gpt2"}
    return make_experiment(VERSE * 4, tokenizers=tokenizers, seeds=2)


@pytest.fixture(scope="module")
def file(experiment, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(make_page(*experiment), encoding="utf-8", newline="")
    return path


@pytest.fixture
def page(browser, file):
    browser.look()
    browser.errors.clear()
    browser.requests.clear()
    browser.open(file)
    return browser


def test_the_page_asks_for_nothing_and_complains_of_nothing(page, file):
    assert page.errors == []
    assert page.requests == [file.as_uri()]


def test_the_map_holds_the_text(page):
    assert page.run(MAP_TEXT) == VERSE * 4


def test_every_number_of_the_loss_table_is_that_of_the_results(page, experiment):
    results, _ = experiment
    shown = page.run(
        "[...document.querySelectorAll('#losses tbody:first-of-type tr')].map(row => "
        "[...row.cells].map(cell => cell.dataset.value ?? cell.textContent))"
    )
    groups = group_by_model(results.arms)
    assert len(shown) == len(groups) == 6
    for row, seeds in zip(shown, groups, strict=True):
        assert row[:2] == [seeds[0].tokenizer, seeds[0].model]
        assert float(row[4]) == mean_bits(seeds)
        tokens = seeds[0].val.bytes / seeds[0].val.tokens
        assert float(row[7]) == pytest.approx(tokens, rel=1e-12)
    text = page.run("document.querySelector('.answer').textContent")
    assert text == headline(results)
    verdicts = page.run("[...document.querySelectorAll('#verdicts li')].map(e => e.textContent)")
    assert verdicts == [verdict.message for verdict in results.verdict]


def bits_column(page):
    return page.run(
        "[...document.querySelectorAll('#losses tbody:first-of-type tr')]"
        ".map(row => Number(row.cells[4].dataset.value))"
    )


@pytest.mark.parametrize("how", ["click", "Enter", " "])
def test_a_table_is_sorted_by_a_click_and_by_keyboard(page, how):
    button = "#losses th:nth-child(5) button"
    before = bits_column(page)
    assert before != sorted(before)
    page.click(button) if how == "click" else page.press(how, button)
    assert bits_column(page) == sorted(before)
    heading = "document.querySelector('#losses th:nth-child(5)').getAttribute('aria-sort')"
    assert page.run(heading) == "ascending"
    page.click(button) if how == "click" else page.press(how, button)
    assert bits_column(page) == sorted(before, reverse=True)
    assert page.run(heading) == "descending"


SEEN_AXES = (
    "[...document.querySelectorAll('#curves .view')].filter(e => e.checkVisibility())"
    ".map(e => e.querySelector('svg').ariaLabel)"
)


def test_the_axis_is_switched_by_a_click_and_by_keyboard(page):
    assert [label.split(",")[0] for label in page.run(SEEN_AXES)] == [
        "Bits per byte on the validation text against bytes"
    ]
    page.click("#curves input[value='3']")
    (label,) = page.run(SEEN_AXES)
    assert "against seconds" in label
    page.press("ArrowRight", "#curves input[value='3']")  # the first one follows the last
    (label,) = page.run(SEEN_AXES)
    assert "against bytes" in label


def chosen(page):
    return page.run(
        "['map-a', 'map-b', 'map-model'].map(id => document.getElementById(id)"
        ".selectedOptions[0].textContent)"
    )


def test_the_map_of_the_first_pair_is_the_same_without_the_script(page, file):
    drawn = page.run(CLASSES)
    text = file.read_text(encoding="utf-8")
    start = text.index('<div id="map-text"')
    static = re.search(r"<pre>\n(.*?)</pre>", text[start:], re.S)[1]
    kinds = []
    for kind, marked, plain in re.findall(r"<b class=(\w+)>(.*?)</b>|([^<]+)", static, re.S):
        kinds += [kind or "a0"] * len(html.unescape(marked or plain))
    assert kinds == drawn
    assert len(set(kinds)) > 6


def test_another_pair_and_model_are_drawn(page, experiment):
    results, losses = experiment
    first = page.run(CLASSES)
    a, _, model = chosen(page)
    page.press("ArrowDown", "#map-model")
    page.press("ArrowDown", "#map-a")
    now = chosen(page)
    assert now[2] != model or now[0] != a
    assert now[0] != now[1]
    drawn = page.run(CLASSES)
    assert drawn != first
    assert page.run(MAP_TEXT) == VERSE * 4
    arms = []
    for name in now[:2]:
        of = [
            losses[arm.id] for arm in results.arms if (arm.tokenizer, arm.model) == (name, now[2])
        ]
        mean = type(of[0])(
            text=of[0].text, borders=of[0].borders, nats=(of[0].nats + of[1].nats) / 2
        )
        arms.append(MappedArm(tokenizer=name, model=now[2], losses=mean))
    found = compare_piece(*arms, Piece(start=0, end=len(VERSE * 4)))
    limit = page.run("document.getElementById('map-limit').textContent")
    assert limit == f"{scale_limit([found]):.1f}"
    signs = np.repeat(np.sign(found.saved), np.diff(found.ends, prepend=0))
    for kind, sign in zip(drawn, signs, strict=True):
        assert kind.endswith("0") or (kind[0] == "a") == (sign > 0)


def test_a_pair_turned_around_changes_sides(page):
    first = page.run(CLASSES)
    a, b, _ = chosen(page)
    page.run(
        "(() => { const [a, b] = ['map-a', 'map-b'].map(id => document.getElementById(id));"
        " [a.value, b.value] = [b.value, a.value]; a.dispatchEvent(new Event('change')); })()"
    )
    assert chosen(page)[:2] == [b, a]
    turned = page.run(CLASSES)
    other = {"a": "b", "b": "a"}
    assert turned == [k if k[1] == "0" else other[k[0]] + k[1] for k in first]


def test_token_borders_can_be_shown_and_change_no_text(page):
    page.run(
        "(() => { const e = document.getElementById('map-edges'); e.value = 1;"
        " e.dispatchEvent(new Event('change')); })()"
    )
    assert page.run("document.querySelectorAll('#map-text .edge').length") > 20
    assert page.run(MAP_TEXT) == VERSE * 4


def test_arrow_keys_go_through_the_stretches_and_say_their_tokens(page):
    page.press("ArrowRight", "#map-text")
    page.press("ArrowRight")
    said = page.run("document.getElementById('map-info').innerText")
    assert re.match(r"Bytes \d+ to \d+: \w+ saves \d+\.\d\d bits per byte\n", said)
    assert len(re.findall(r"^\w+: \d+\.\d bits, \d+ tokens?: ", said, re.M)) == 2
    assert page.run("document.querySelectorAll('.here').length") == 1


def test_the_minimap_and_the_slider_jump_to_the_place(page):
    n = len(VERSE * 4)
    page.click("#minimap")
    start = page.run("document.querySelector('.here').dataset.at")
    at = int(re.search(r"Bytes (\d+)", page.run("byId('map-info').innerText"))[1])
    assert start is not None
    assert abs(at - n / 2) < 20
    page.run("(e => { e.value = 3; e.dispatchEvent(new Event('input')); })(byId('map-place'))")
    assert page.run("byId('map-info').innerText").startswith("Bytes 0 to ")


def test_the_extreme_stretches_are_those_of_the_verdict(page, experiment):
    results, _ = experiment
    a, b, model = chosen(page)
    rows = page.run(
        "[...document.querySelectorAll('[data-pair]:not([hidden]) tbody tr')].map(row => "
        "[row.cells[0].dataset.value, row.cells[2].textContent])"
    )
    verdict = next(v for v in results.verdict if ({v.a, v.b}, v.model) == ({a, b}, model))
    expected = [*verdict.stretches.most, *reversed(verdict.stretches.least)]
    assert [float(value) for value, _ in rows] == [one.bits_per_byte for one in expected]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_has_a_contrast_of_at_least_four_and_a_half(page, dark):
    page.look(dark=dark)
    ratio, where = page.run(CONTRAST)
    assert ratio >= 4.5, where


def test_a_phone_scrolls_only_up_and_down(page, file):
    page.look(width=390)
    page.open(file)
    assert page.run("document.documentElement.scrollWidth") == 390


def test_the_page_can_be_read_without_a_script(browser, file):
    browser.look()
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.send("Page.navigate", url=file.as_uri())
        while browser.run("document.readyState") != "complete":
            pass
        shown = browser.run("document.body.innerText")
        switched = [browser.run(SEEN_AXES)]
        browser.click("#curves input[value='2']")
        switched.append(browser.run(SEEN_AXES))
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
    for text in ("Validation loss on tinyshakespeare", "the patricians good", "Run this again"):
        assert text in shown
    assert "token borders" not in shown  # what only a script could do is not offered
    assert ["against bytes" in switched[0][0], "against FLOPs" in switched[1][0]] == [True, True]


def test_screen_readers_find_tables_headings_and_pictures(page):
    missing = page.run(
        "[...document.querySelectorAll('figure > :not(.legend) svg, .minimap')]"
        ".filter(e => e.getAttribute('role') !== 'img' || !e.ariaLabel).length"
    )
    assert missing == 0
    assert page.run("[...document.querySelectorAll('table')].every(t => t.caption && t.tHead)")
    assert page.run(
        "[...document.querySelectorAll('thead th')].every(h => h.scope === 'col') && "
        "[...document.querySelectorAll('tbody tr')].every(r => r.cells[0].scope)"
    )
    assert page.run("new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size") == (
        page.run("document.querySelectorAll('[id]').length")
    )
    assert page.run("[...document.querySelectorAll('select, input')].every(e => e.labels.length)")


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_on_the_page_byte_for_byte(browser, tmp_path, kind):
    text = HOSTILE[kind]
    found = make_experiment(text, models=("decoder",), sample=text)
    file = tmp_path / "report.html"
    file.write_text(make_page(*found), encoding="utf-8", newline="")
    browser.errors.clear()
    browser.open(file)
    assert browser.run(MAP_TEXT) == text
    assert browser.run("document.querySelector('.samples pre').textContent") == text
    assert browser.run("window.hacked === undefined && document.title.length > 5")
    assert browser.errors == []


HOSTILE_NAMES = [
    "</script><script>window.hacked=1</script>",
    "a\x1b[31m\u202eb",
    '"><img src=x>',
    "\0",
]


def test_hostile_names_take_no_effect(browser, tmp_path):
    tokenizers = {name: "byte" if i % 2 else "gpt2" for i, name in enumerate(HOSTILE_NAMES)}
    results, losses = make_experiment(VERSE, tokenizers=tokenizers, models=("decoder",))
    file = tmp_path / "report.html"
    page = make_page(results, losses)
    assert not re.search("[\x00\x1b\u202e]", page)
    file.write_text(page, encoding="utf-8")
    browser.errors.clear()
    browser.open(file)
    assert browser.run("window.hacked === undefined")
    assert browser.errors == []
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("byId('map-a').options.length") == len(HOSTILE_NAMES)
    browser.press("ArrowDown", "#map-a")
    assert browser.run(MAP_TEXT) == VERSE


def test_a_line_of_a_megabyte_is_a_small_page(browser, tmp_path):
    text = ("to be or not to be, " * 52_500)[:1_000_000]
    page = make_page(*make_experiment(text, models=("decoder",)))
    assert len(page.encode()) < 3_000_000
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8", newline="")
    browser.errors.clear()
    browser.open(file)
    assert browser.errors == []
    shown = browser.run(MAP_TEXT)
    assert 50_000 < len(shown) < 200_000
    parts = browser.run(
        "[...document.querySelectorAll('#map-text pre')].map((e, i) => "
        "[data.pieces[i], e.textContent])"
    )
    assert all(text[start : start + len(part)] == part for start, part in parts)


def test_without_the_runs_the_page_says_that_it_has_no_map():
    results, _ = make_experiment(VERSE, models=("decoder",))
    page = experiment_page(results, None)
    assert "The loss map needs the runs" in page
    assert 'id="map-data"' not in page


def test_lossy_tokenizers_have_no_map():
    results, losses = make_experiment(VERSE, models=("decoder",))
    from dataclasses import replace

    lossy = {name: replace(one, approximate=True) for name, one in losses.items()}
    assert "There is no loss map: where a tokenizer loses bytes" in make_page(results, lossy)


def test_there_are_as_many_colours_as_the_charts_use():
    from gptkit.report.html.document import resource

    assert len(set(re.findall(r"--series-(\d+):", resource("style.css")))) == N_COLOURS
