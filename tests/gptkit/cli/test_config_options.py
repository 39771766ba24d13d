"""Options of a command, of a TOML file and of a report's command line: the same configs."""

import re
import shlex
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest
from factories import make_results
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gptkit.cli import app
from gptkit.config import check_folders
from gptkit.errors import ConfigError
from gptkit.plan.experiment_config import MATCH_NAMES, ExecutionConfig, ExperimentConfig
from gptkit.plan.ladder import STAGES, ladder, ladder_preset
from gptkit.plan.options_file import FIELDS, NOT_OF_LECTURE_LADDER, to_toml
from gptkit.plan.recipes import RECIPES
from gptkit.report.command import command_line, quote
from gptkit_tokenizers import TokenizerError


@contextmanager
def captured():
    """Both configs of each command that is called inside; nothing is trained."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "gptkit.cli.run_experiment.run_and_show",
            lambda config, execution, **options: found.append((config, execution)),
        )
        yield found


def parse(*words):
    """The configs that the real command line makes of its words."""
    with captured() as found:
        CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    (configs,) = found
    return configs


def is_accepted(**options):
    try:
        ExperimentConfig(**options)
    except (ConfigError, TokenizerError):
        return False
    return True


# The command line separates names by commas, and takes the space around them away.
words = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), min_size=1)
tokenizer_names = st.one_of(
    st.sampled_from(["char", "byte", "gpt2", "bpe:1024", "unigram:512", "hf:a/b", "a dir/t.json"]),
    words.filter(lambda name: name == name.strip()),
)
sizes = st.integers(1, 10**9)
shares = st.one_of(
    st.floats(0.01, 0.99),
    st.sampled_from([(0.8, 0.1, 0.1), (0.9, 0.05, 0.05), (0.75, 0.25)]),
)
budgets = st.one_of(
    st.integers(1, 10**6).map("{}steps".format), st.sampled_from(["600KB", "2MB", "1.5mb", "20s"])
)


def shell_words(command):
    """The words that a shell makes of a command: as shlex, and with bash's $'…'."""
    found = re.findall(r"""\$'((?:\\.|[^'\\])*)'(?: |$)|((?:'[^']*'|"[^"]*"|[^ '"])+)""", command)
    return [unescape(escaped) if escaped else shlex.split(plain)[0] for escaped, plain in found]


def unescape(escaped):
    return re.sub(
        r"\\(?:U([0-9a-f]{8})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else m[2], escaped
    )


def test_words_are_what_bash_makes_of_them():
    words = ["to be", "it's", "a\nb'c\\d$'e", "\x1b[31m\u2028", "", "-x"]
    command = " ".join(map(quote, words))
    shown = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True).stdout
    assert shown.decode().split("\0")[:-1] == words == shell_words(command)
    assert command.isprintable()


OPTIONS = {
    "tokenizers": st.lists(tokenizer_names, min_size=1, max_size=4, unique=True).map(tuple),
    "models": st.lists(st.sampled_from(list(RECIPES)), min_size=1, unique=True).map(tuple),
    "data": st.text(min_size=1),
    "match": st.sampled_from(MATCH_NAMES),
    "budget": st.none() | budgets,
    "seeds": st.integers(1, 100),
    "tune": st.booleans(),
    "context_bytes": st.none() | st.integers(1, 4000),
    "bytes_per_step": st.none() | st.integers(1, 100_000),
    "split": shares,
    "stride_bytes": st.none() | st.integers(1, 200),
    "lossy_ok": st.booleans(),
    "prompt": st.none() | st.text(min_size=1),
    "sample_bytes": sizes,
    "temperature": st.floats(1e-3, 1e3),
    "top_k": st.none() | sizes,
}
HINTS = get_type_hints(ExperimentConfig)
for field in fields(ExperimentConfig):  # an option without a strategy above: any value of its type
    OPTIONS.setdefault(field.name, st.from_type(HINTS[field.name]))
experiments = (
    st.fixed_dictionaries({}, optional=OPTIONS)
    .filter(lambda options: is_accepted(**options))
    .map(lambda options: ExperimentConfig(**options))
)
executions = st.builds(
    ExecutionConfig,
    out=st.text(min_size=1),
    name=st.none() | st.from_regex(r"[a-z0-9_+]{1,20}", fullmatch=True),
    resume=st.booleans(),
    device=st.sampled_from(["auto", "cpu", "cuda", "cuda:1"]),
    jobs=st.none() | st.integers(1, 64),
)
ladders = st.builds(
    ladder,
    st.sampled_from(["cpu", "gpu"]),
    stages=st.none() | st.lists(st.sampled_from(list(STAGES)), min_size=1, unique=True),
)


def recorded(config):
    """Results of an experiment, as far as they say how to run it again."""
    config = config.resolved(config.data or "tinyshakespeare")
    preset = ladder_preset(config.models) if isinstance(config.models, dict) else None
    return msgspec.structs.replace(make_results(), experiment=config, ladder=preset)


@settings(max_examples=75, deadline=None)
@given(experiments)
@example(ExperimentConfig(prompt="--json"))
@example(ExperimentConfig(prompt="-x 'y' \"z\"\n$HOME"))
@example(ExperimentConfig(tokenizers=("-t",), data="-d"))
@example(ExperimentConfig(split=(0.9,), match="time", budget="60s"))
def test_the_command_line_of_results_gives_their_experiment(config):
    results = recorded(config)
    program, *given = shell_words(command_line(results))
    assert program == "gptkit"
    found, execution = parse(*given)
    assert found.resolved(found.data) == results.experiment
    assert execution == ExecutionConfig()


@settings(max_examples=50, deadline=None)
@given(
    ladders,
    st.fixed_dictionaries(
        {}, optional={n: OPTIONS[n] for n in OPTIONS if n not in NOT_OF_LECTURE_LADDER}
    ),
)
def test_the_command_line_of_a_ladder_gives_its_experiment(recipes, options):
    asked = options | {"models": recipes}
    if not is_accepted(**asked):
        return
    results = recorded(ExperimentConfig(**asked))
    found, _ = parse(*shell_words(command_line(results))[1:])
    assert found.resolved(found.data) == results.experiment


def read_back(toml, *command):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.toml"
        path.write_text(toml, encoding="utf-8")
        return parse(*(command or ["compare"]), "--config", path)


def execution_words(execution):
    """The options of an execution that differ from their defaults."""
    given = {f.name: getattr(execution, f.name) for f in fields(ExecutionConfig)}
    default = ExecutionConfig()
    words = []
    for name, value in given.items():
        if value != getattr(default, name):
            words += [f"--{name}", *([] if value is True else [str(value)])]
    return words


@settings(max_examples=50, deadline=None)
@given(experiments, executions)
def test_a_printed_config_is_read_back(config, execution):
    words = [*shell_words(command_line(recorded(config)))[1:], *execution_words(execution)]
    asked = parse(*words)
    assert asked[1] == execution
    printed = CliRunner().invoke(app, [*words, "--print-config"], catch_exceptions=False)
    assert read_back(printed.stdout) == asked


@settings(max_examples=50, deadline=None)
@given(experiments, executions)
def test_a_config_survives_toml(config, execution):
    assert read_back(to_toml(config, execution)) == (config, execution)


@settings(max_examples=20, deadline=None)
@given(ladders)
def test_a_printed_ladder_is_read_back_with_its_recipes(recipes):
    config = ExperimentConfig(models=recipes)
    found, _ = read_back(to_toml(config, ExecutionConfig()))
    assert found == config
    assert list(found.models) == list(recipes)


@pytest.mark.parametrize(
    "command",
    [
        ["compare"],
        ["compare", "--preset", "gpu", "--prompt", "a\nb", "--split", "0.8,0.1,0.1", "--tune"],
        ["compare", "--match", "time", "--jobs", "2", "--name", "mine", "--resume"],
        ["lecture", "ladder", "--stages", "head,norm", "--budget", "6steps", "--preset", "gpu"],
    ],
    ids=" ".join,
)
def test_what_print_config_prints_is_read_back(gptkit, command):
    code, printed, err = gptkit(*command, "--print-config")
    assert (code, err) == (0, "")
    assert read_back(printed) == parse(*command)


def test_a_command_without_options_has_the_configs_defaults():
    assert parse("compare") == (ExperimentConfig(), ExecutionConfig())


def test_every_field_has_an_option_that_shows_its_default(gptkit):
    assert list(FIELDS) == [f.name for c in (ExperimentConfig, ExecutionConfig) for f in fields(c)]
    _, shown, _ = gptkit("compare", "--help")
    for name, field in FIELDS.items():
        assert f"--{name.replace('_', '-')} " in shown
        assert field.default is not MISSING
    text = " ".join(shown.replace("│", " ").split())
    for default in ("char,gpt2", "bigram,decoder", "bytes", "0.9", "300", "runs", "auto"):
        assert f"[default: {default}]" in text


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "options.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_command_line_wins_over_the_file_over_the_preset_over_the_default(toml):
    file = toml('bytes_per_step = 4096\ncontext_bytes = 128\nseeds = 3\nout = "elsewhere"\n')
    found, execution = parse(
        *("compare", "--preset", "gpu", "--config", file, "--context-bytes", 64, "--seeds", 2)
    )
    assert (found.seeds, found.context_bytes) == (2, 64)  # the command line
    assert (found.bytes_per_step, execution.out) == (4096, "elsewhere")  # the file
    assert (found.budget, found.models) == ("12MB", ("bigram", "large"))  # the preset
    assert (found.tokenizers, found.temperature) == (("char", "gpt2"), 1.0)  # the defaults
    without = parse("compare", "--preset", "gpu", "--config", file)[0]
    assert without == replace(found, seeds=3, context_bytes=128)


def test_a_presets_budget_is_left_out_where_arms_are_matched_by_time(toml):
    for words in (["--match", "time"], ["--config", toml('match = "time"')]):
        assert parse("compare", "--preset", "gpu", *words)[0].budget is None


def test_a_ladders_defaults_yield_to_the_file_and_the_command_line(toml):
    file = toml('tokenizers = ["byte", "gpt2"]\nout = "there"\n')
    found, execution = parse("lecture", "ladder")
    assert (found.tokenizers, execution.out) == (("char",), "runs/ladder")
    found, execution = parse("lecture", "ladder", "--config", file, "--out", "here")
    assert (found.tokenizers, execution.out) == (("byte", "gpt2"), "here")
    assert found.models == ladder()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sedes = 3", "{path} has no option 'sedes'. Did you mean seeds?"),
        ("as_json = true", "{path} has no option 'as_json'."),
        ('seeds = "3"', "{path}: seeds cannot be '3'. Expected `int`, got `str`."),
        ("seeds = true", "{path}: seeds cannot be True. Expected `int`, got `bool`."),
        ("tokenizers = 'char'", "{path}: tokenizers cannot be 'char'. Expected `array`, got `str`"),
        ('tune = "yes"', "{path}: tune cannot be 'yes'. Expected `bool`, got `str`."),
        ("seeds = 0", "seeds is 0; it must be a whole number from 1 to 1,000."),
        ("seeds = ", "{path} cannot be read as TOML: "),
        ("[models.mine]\nbudget = '1KB'", "{path}: models cannot be "),
        (
            "[models.mine.model]\nn_layers = 2\n[models.mine.optim]\nlearning_rate = 0.1",
            "no field 'n_layers'.",
        ),
        (
            "[models.mine.model]\nn_layer = 0\n[models.mine.optim]\nlearning_rate = 0.1",
            "n_layer is 0; it must be at least 1",
        ),
    ],
)
@pytest.mark.parametrize("command", [["compare"], ["lecture", "ladder"]], ids=" ".join)
def test_a_file_that_cannot_be_used_is_one_message(gptkit, toml, command, text, says):
    path = toml(text)
    with captured() as found:
        code, out, err = gptkit(*command, "--config", path)
    assert (code, out, found) == (2, "", [])
    assert err.startswith("error: ")
    assert says.format(path=path) in err.replace("\n       ", " ")
    assert err.count("error:") == 1
    assert "Traceback" not in err


def test_a_file_that_is_not_there_is_one_message(gptkit, tmp_path):
    code, out, err = gptkit("compare", "--config", tmp_path / "none.toml")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path / 'none.toml'} cannot be read as TOML: ")


def test_a_recipe_in_a_file_is_used(toml):
    found, _ = parse(
        "compare",
        "--config",
        toml(
            '[models.mine.model]\nn_layer = 2\nnorm = "none"\n'
            "[models.mine.optim]\nlearning_rate = 0.1\n"
        ),
    )
    assert list(found.models) == ["mine"]
    assert (found.models["mine"].model.n_layer, found.models["mine"].model.norm) == (2, None)
    assert found.models["mine"].optim.learning_rate == 0.1


def test_tokenizers_in_a_file_are_checked_like_others(gptkit, toml):
    check_folders(["mine"], ["decoder"])
    code, _, err = gptkit("compare", "--config", toml('tokenizers = ["mine", "Mine"]'))
    assert code == 2
    assert "would share the folder" in err
