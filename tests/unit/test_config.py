import json
from pathlib import Path

import pytest
import yaml

from deeprac import schema
from deeprac.config import Config, load_config
from deeprac.config_files import refuse_twice, resolve, retyped
from deeprac.errors import ConfigError
from deeprac.fitting import fits, halvings

ROOT = Path(__file__).parents[2]


COMPARISON = {"method": "stn", "reference": "nnunet", "test": "superiority"}


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch):
    """Paths of methods and experiments are relative to the working directory."""
    monkeypatch.chdir(ROOT)


def method(**fields):
    return {
        "methods": {"mine": {"label": "mine", **fields}},
        "statistics": {"comparisons": []},
    }


ORACLE = method(normaliser="oracle") | {
    "experiments": [{"experiment": "told", "matrix": "coarse", "method": "mine"}]
}
SCENES = ["arms_down", "cushion"]


def checked(raw):
    """The configuration that these keys change the defaults to."""
    return Config.from_resolved(resolve(raw))


def write(path, content):
    path.write_text(yaml.safe_dump(content))
    return path


def test_shipped_configuration_equals_the_schema_defaults():
    shipped = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert shipped == schema.defaults(schema.load_schema())


def test_every_key_of_the_schema_has_description_and_default():
    assert not schema.problems(resolve({}))

    def visit(part, key):
        assert part.get("description"), key
        if "properties" not in part:
            assert "default" in part, key
            return
        assert part["additionalProperties"] is False, key
        for name, child in part["properties"].items():
            visit(child, f"{key}.{name}")

    for name, part in schema.load_schema()["properties"].items():
        visit(part, name)


def test_later_files_change_earlier_ones_key_by_key(tmp_path):
    first = write(
        tmp_path / "a.yaml",
        {"training": {"epochs": 3, "device": "cpu"}, "run": {"seeds": [1, 2]}},
    )
    second = write(
        tmp_path / "b.yaml", {"training": {"epochs": 7}, "run": {"seeds": [5]}}
    )
    config = load_config([first, second])
    assert config.training.epochs == 7
    assert config.training.device == "cpu"
    assert config.run.seeds == (5,)
    assert config.training.iterations_per_epoch == 250


def test_all_becomes_the_list_of_names_and_numbers():
    config = load_config([])
    assert config.run.folds == (0, 1, 2, 3, 4)
    assert len(config.run.experiments) == 8
    assert config.run.experiments[0] == "coarse_nnunet"


def test_a_release_with_an_oracle_of_patients_stays_readable():
    patients = ORACLE | {"cohort": {"format": "msd", "path": "x"}}
    config = checked(patients | {"metrics": "released"})
    assert config.methods["mine"].normaliser == "oracle"


def test_resolved_configuration_survives_json(tmp_path):
    resolved = resolve({"training": {"weight_decay": 1e-6}})
    path = tmp_path / "config.json"
    path.write_text(json.dumps(resolved))
    assert load_config([path]) == Config.from_resolved(resolved)
    assert resolve(json.loads(path.read_text())) == resolved


def test_methods_and_experiments_may_be_written_inline():
    row = {"experiment": "e", "matrix": "fine", "method": "mine"}
    config = checked(method(augment=True) | {"experiments": [row]})
    assert config.methods["mine"].augment
    assert config.methods["mine"].normaliser == "none"
    assert config.experiments["e"].published is None


def test_a_method_changes_single_keys_of_its_sections():
    config = Config.from_resolved(resolve({}))
    svf = config.methods["stn_augment_svf"]
    assert svf.augment == "svf"
    assert svf.augment_svf == {"share": 0.5, "displacement": 0.05, "smoothness": 0.2}
    row = {"experiment": "e", "matrix": "fine", "method": "mine"}
    config = checked(method(augment_svf={"share": 1}) | {"experiments": [row]})
    assert config.methods["mine"].augment_svf == svf.augment_svf | {"share": 1}


def test_the_smallest_run_of_diffeomorphisms_has_the_arms_of_the_full_one():
    folder = ROOT / "config/perspectives"
    full, smoke = (
        load_config([folder / f"{name}.yaml"]) for name in ("diffeo", "diffeo_smoke")
    )
    assert full.experiments == smoke.experiments
    assert full.statistics.comparisons == smoke.statistics.comparisons
    assert len(full.run.seeds) == 5


def test_an_added_matrix_can_be_used():
    raw = {
        "matrices": {"medium": {"size": 256, "batch_size": 8}},
        "experiments": [{"experiment": "e", "matrix": "medium", "method": "nnunet"}],
    }
    config = checked(raw)
    assert config.matrices[config.experiments["e"].matrix].size == 256
    assert set(config.matrices) == {"coarse", "medium", "fine"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"trainin": {}}, "trainin is an unknown key: did you mean training?"),
        (
            {"training": {"learning_rat": 1}},
            "training.learning_rat is an unknown key: "
            "did you mean training.learning_rate?",
        ),
        (
            {"training": {"device": "gpu"}},
            "training.device is 'gpu': it must be one of cuda, cpu",
        ),
        (
            {"training": {"epochs": 2.5}},
            "training.epochs is 2.5: it must be an integer >= 1",
        ),
        ({"training": {"epochs": True}}, "training.epochs is True: it must be an int"),
        ({"training": {"epochs": 0}}, "training.epochs is 0: it must be an integer"),
        (
            {"training": {"learning_rate": "3e-4"}},
            "YAML reads 3e-4 as text: write 0.0003",
        ),
        (
            {"training": {"learning_rate": float("nan")}},
            "training.learning_rate is nan: it must be a number > 0",
        ),
        ({"training": 3}, "training is 3: it must be a mapping"),
        (
            {"inference": {"mirroring": "yes"}},
            "inference.mirroring is 'yes': it must be true or false",
        ),
        (
            {"run": {"folds": "some"}},
            "run.folds is 'some': it must be all or a list",
        ),
        (
            {"cohort": {"phantom": {"slice_spacing_mm": [3]}}},
            "slice_spacing_mm is .3.: it must be a list of 2",
        ),
        (
            {"cohort": {"phantom": {"ages": [40, 20]}}},
            "cohort.phantom.ages is .40, 20.: the youngest comes first. Swap",
        ),
        (
            {"cohort": {"phantom": {"ages": [-1, 20]}}},
            "cohort.phantom.ages.0 is -1: it must be a number >= 0 and <= 80",
        ),
        (
            {"cohort": {"phantom": {"ages": [20, 81]}}},
            "cohort.phantom.ages.1 is 81: it must be a number >= 0 and <= 80",
        ),
        (
            {"cohort": {"phantom": {"ages": [18, 80], "stage": "diagnosis"}}},
            "stage is diagnosis: only .* cohort.phantom.ages begins at 18. Leave stage",
        ),
        (
            {"matrices": {"coarse": {"sise": 64}}},
            "matrices.coarse.sise is an unknown key: did you mean "
            "matrices.coarse.size?",
        ),
        (
            {"matrices": {"big": {"size": 64}}},
            "matrices.big.batch_size is missing: set it to an integer >= 1",
        ),
        (
            {"methods": {"mine": {"label": "mine"}}},
            "statistics.comparisons: unknown methods stn, nnunet_augment,",
        ),
        (
            {"statistics": {"comparisons": [COMPARISON | {"reference": "stn"}]}},
            "statistics.comparisons: stn is compared with itself",
        ),
        (
            {"statistics": {"comparisons": [COMPARISON, COMPARISON]}},
            "statistics.comparisons has stn against nnunet twice",
        ),
        (
            {"released": {"epochs": 3}},
            "released is called labarbera now: rename it",
        ),
        (
            {"cohort": {"annotation": "union"}},
            "cohort.annotation is called cohort.kits.annotation now: rename it",
        ),
        (
            {"cohort": {"series": {"prefer": "thinnest"}}},
            "cohort.series is called dicom now: rename it",
        ),
        (
            {
                "statistics": {
                    "comparisons": [
                        {"method": "stn", "reference": "nnunet", "claim": "superiority"}
                    ]
                }
            },
            "comparisons.0.claim is called test now: rename it",
        ),
        (
            {"statistics": {"comparisons": [COMPARISON | {"test": "equality"}]}},
            "test is 'equality': it must be one of superiority, non_inferiority",
        ),
        ({"matrices": {"a b": {"size": 64, "batch_size": 1}}}, "matrices.a b is not"),
        ({"cohort": {"name": "a/b"}}, "cohort.name is 'a/b'"),
        ({"cohort": {"format": "nnunet_raw"}}, "cohort.path is missing"),
        (
            {"cohort": {"labels": {"kidney": ["mass"], "tumour": ["mass"]}}},
            "'mass' is named under kidney and tumour",
        ),
        (
            {"cohort": {"format": "kits", "path": "x", "label_numbers": {"cyst": 3}}},
            "format 'kits' says itself what its labels show. Leave it out",
        ),
        (
            {"cohort": {"label_numbers": {"kidney": 1, "tumour": 1}}},
            "two names have one number",
        ),
        ({"cohort": {"phantom": {"cases": 4}}}, "fewer patients than the 5 folds"),
        (
            {"run": {"folds": [5]}},
            "there is no fold 5; splits.folds is 5, so .* 0 to 4",
        ),
        (
            {"run": {"experiments": ["fine_sNn"]}},
            "'fine_sNn' is unknown; known are coarse_nnunet, ",
        ),
        (method(normaliser="stm"), "methods.mine.normaliser is 'stm': it must be one"),
        (
            {"methods": {"mine": {"label": "x", "localiser": {"max_gradient": 2}}}},
            "methods.mine.localiser is given, but the method has none",
        ),
        (
            {
                "methods": {
                    "mine": {
                        "label": "x",
                        "normaliser": "stn",
                        "localiser": {"max_gradient": -1},
                    }
                }
            },
            "methods.mine.localiser.max_gradient is -1: it must be a number > 0",
        ),
        (
            {
                "methods": {
                    "mine": {
                        "label": "x",
                        "normaliser": "stn",
                        "localiser": {"canonical_radius": 0.3},
                    }
                }
            },
            "measured once, for all methods. Set localiser.canonical_radius",
        ),
        (
            method(normaliser="stn_labarbera", crop="stn"),
            "methods.mine mixes stn_labarbera with stn",
        ),
        (method(augment_scale=[1.4, 0.7]), "the smaller factor comes first"),
        (method(augment="SVF"), "augment is 'SVF': it must be true or false or svf"),
        (
            method(augment_svf={"displacement": 0.11}),
            "displacement is 0.11, more than half of smoothness, 0.2: many fields",
        ),
        (
            {
                "matrices": {"main": {"size": "planned", "batch_size": 2}},
                "experiments": [
                    {
                        "experiment": "e",
                        "matrix": "main",
                        "method": "nnunet_augment_svf",
                    }
                ],
            },
            "method nnunet_augment_svf needs whole slices.* crop and augment svf",
        ),
        (
            {
                "matrices": {"main": {"size": "planned", "batch_size": 2}},
                "pretraining": {"results": "results/adults"},
                "experiments": [
                    {"experiment": "e", "matrix": "main", "method": "nnunet_fine_tune"}
                ],
            },
            "nnunet_fine_tune takes slices or weights from another cohort",
        ),
        (
            ORACLE | {"cohort": {"format": "msd", "path": "x"}},
            "the normaliser of told is oracle, which .*; cohort.format is msd. Use "
            "normaliser case_pose, ",
        ),
        (
            {"cohort": {"format": "msd", "path": "x"}, "stress": {"scenes": SCENES}},
            "stress.scenes is arms_down, cushion: only phantoms .* is msd. Set it to",
        ),
        (
            {"cohort": {"phantom": {"arms": "down"}}, "stress": {"scenes": SCENES}},
            "stress.scenes: arms_down is what cohort.phantom has already",
        ),
        (
            {"stress": {"experiments": ["fine_sNn"]}},
            "stress.experiments: 'fine_sNn' is unknown; known are coarse_nnunet, ",
        ),
        (
            {"matrices": {"fine": {"size": "planned", "batch_size": 2}}},
            "matrix fine is planned by nnU-Net.* method stn needs whole slices",
        ),
        (method(network_input=0.5), "without a crop the network input is the whole"),
        (method(crops="stn"), "methods.mine.crops is an unknown key: did you mean"),
        (method(), "coarse_nnunet has the unknown method 'nnunet'; known are mine"),
        ({"methods": "no/such.yaml"}, "methods: cannot read no/such.yaml"),
        (
            {"experiments": [{"experiment": "tables", "matrix": "a", "method": "b"}]},
            "tables is the name of a folder",
        ),
        (
            {"experiments": [{"experiment": "e", "matrix": "odd", "method": "nnunet"}]},
            "e has the unknown matrix 'odd'; known are coarse, fine",
        ),
        (
            {"experiments": [{"experiment": "e", "matrix": "fine"}]},
            "experiments.e.method is missing",
        ),
        ({"figures": {"window_hu": [240, -160]}}, "the lower limit comes first"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_allowed(raw, message):
    with pytest.raises(ConfigError, match=message.replace("?", "[?]")):
        checked(raw)


@pytest.mark.parametrize("private", ["results", "results/own", "./results/../results"])
def test_the_private_folder_does_not_lie_among_the_results(private):
    cohort = {"format": "nnunet_raw", "path": "x", "private": private}
    with pytest.raises(ConfigError, match=r"cohort\.private is .*Choose a folder outs"):
        checked({"cohort": cohort})
    checked({"cohort": cohort | {"private": "results_private"}})
    checked({"cohort": cohort | {"pseudonyms": False}})


NO_NAMES = (
    "a\n",
    "\n",
    "a\nb",
    "a b",
    "-a",
    "a/b",
    "a{b}",
    "$(a)",
    "a'",
    "ä",
    "",
    "..",
)


def named(key, name):
    """A configuration in which something has a name."""
    row = {"experiment": "e", "matrix": "fine", "method": "nnunet"}
    return {
        "cohort.name": {"cohort": {"name": name}},
        "release": {"release": name},
        "matrices": {"matrices": {name: {"size": 64, "batch_size": 1}}},
        "methods": {"methods": {name: {"label": "a"}}, "statistics": NONE},
        "experiments": {"experiments": [row | {"experiment": name}]},
    }[key]


NONE = {"comparisons": []}
KEYS = ("cohort.name", "release", "matrices", "methods", "experiments")


@pytest.mark.parametrize("name", NO_NAMES)
@pytest.mark.parametrize("key", KEYS)
def test_names_are_letters_and_digits_from_end_to_end(key, name):
    with pytest.raises(ConfigError, match=f"^{key}.* a name of letters, digits") as no:
        checked(named(key, name))
    assert "\n" not in str(no.value)
    assert "'" not in name or "'" in str(no.value)


@pytest.mark.parametrize("name", [1, None, True, 2.5])
def test_names_of_matrices_are_text(name):
    with pytest.raises(ConfigError, match=f"matrices.{name} is not .* in quotes"):
        checked(named("matrices", name))


@pytest.mark.parametrize(
    "folder", ["results\n", "a\nb", "a{b}", "{cohort}", "<results>", "-a", "", "a\x00b"]
)
def test_folders_that_snakemake_cannot_take_are_refused(folder):
    with pytest.raises(ConfigError, match=r"^results is .*: it must be a path without"):
        checked({"results": folder})


@pytest.mark.parametrize(
    "folder", ["my results ü 'x'", "/data/a", "../r", "a$(b)", 'a"b', "a*[b]?", "a;b|c"]
)
def test_folders_may_have_any_other_name(folder):
    assert resolve({"results": folder})["results"] == folder


@pytest.mark.parametrize("key", ["path", "patients", "private"])
def test_paths_of_the_source_have_no_control_characters(key):
    with pytest.raises(ConfigError, match=rf"cohort\.{key} is .*control characters"):
        checked({"cohort": {key: "a\0b"}})


def numbers(part, key=""):
    """Schemas of all numbers in a schema, with their dotted key."""
    types = part.get("type", [])
    if {"integer", "number"} & set([types] if isinstance(types, str) else types):
        yield key, part
    for name, child in part.get("properties", {}).items():
        yield from numbers(child, f"{key}.{name}".strip("."))
    for word in ("items", "additionalProperties"):
        if isinstance(part.get(word), dict):
            yield from numbers(part[word], f"{key}.{word}")
    for child in part.get("anyOf", []):
        yield from numbers(child, key)


def every_number():
    whole = schema.load_schema()
    yield from numbers(whole)
    for name, part in whole["$defs"].items():
        yield from numbers(part, f"$defs.{name}")


@pytest.mark.parametrize(("key", "part"), list(every_number()))
def test_every_number_has_a_smallest_and_a_largest_value(key, part):
    assert "minimum" in part or "exclusiveMinimum" in part
    assert "maximum" in part


@pytest.mark.parametrize(
    "raw",
    [
        {"training": {"epochs": 10**30}},
        {"splits": {"folds": 10**9}},
        {"run": {"seeds": [2**64]}},
        {"cohort": {"phantom": {"cases": 10**12}}},
        {"cohort": {"air": -1e300}},
        {"report": {"size_mb": 1e300}},
        {"inference": {"batch_size": 10**30}},
    ],
)
def test_absurd_numbers_are_refused_with_the_largest(raw):
    with pytest.raises(ConfigError, match=r"it must be .* <= \d+"):
        checked(raw)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize(
    "text",
    [
        "training: {{learning_rate: {}}}",
        "training: {{epochs: {}}}",
        "cohort: {{air: {}}}",
        "figures: {{window_hu: [{}, 0]}}",
        "run: {{seeds: [{}]}}",
        "run: {{folds: {}}}",
        "stress: {{scales: [{}]}}",
        "results: {}",
        "matrices: {{fine: {{size: {}}}}}",
        "matrices: {{{}: {{size: 8, batch_size: 1}}}}",
        "cohort: {{fetch: {{cases: {}}}}}",
        "report: {{notes: [{}]}}",
        "statistics: {{margin: {}}}",
        "experiments: {}",
        "methods: {{a: {{label: a, network_input: {}}}}}",
    ],
)
def test_infinities_and_no_numbers_are_refused_everywhere(tmp_path, text, number):
    path = tmp_path / "a.yaml"
    path.write_text(text.format(number))
    with pytest.raises(ConfigError, match=r"must be|not a possible name"):
        load_config([path])


@pytest.mark.parametrize(
    "text", ["training: {epochs: " + "9" * 5000 + "}", "report: {notes: [2021-13-45]}"]
)
def test_values_that_yaml_itself_cannot_read_are_no_bug(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_config([path])


@pytest.mark.parametrize("column", ["training_patients", "epochs"])
def test_a_count_of_many_digits_in_a_table_is_refused(tmp_path, column):
    path = tmp_path / "e.tsv"
    head = f"experiment\tmatrix\tmethod\t{column}"
    path.write_text(f"{head}\ne\tfine\tnnunet\t{'9' * 5000}\n")
    with pytest.raises(ConfigError, match=rf"{column} .* must be an integer"):
        checked({"experiments": str(path)})


def test_all_wrong_keys_are_listed_at_once():
    with pytest.raises(ConfigError, match="3 keys are wrong") as caught:
        checked({"training": {"epoch": 1, "device": "tpu"}, "runs": {}})
    for key in ("training.epoch ", "training.device ", "runs "):
        assert key in str(caught.value)


def test_an_experiment_listed_twice_is_refused():
    row = {"experiment": "e", "matrix": "fine", "method": "nnunet"}
    with pytest.raises(ConfigError, match="e is there twice"):
        checked({"experiments": [row, row]})


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (100, "cannot be halved evenly 4 times. Use 96 pixels"),
        (15, "7.5 pixels .* is not a whole number. Use 8 pixels"),
        (8, "4 pixels .* too small for the network .* at least 8"),
    ],
)
def test_a_matrix_that_does_not_fit_the_network_is_named(size, message):
    row = {"experiment": "e", "matrix": "fine", "method": "stn_crop_half"}
    if size == 100:
        row["method"] = "nnunet"
    raw = {"matrices": {"fine": {"size": size}}, "experiments": [row]}
    with pytest.raises(ConfigError, match=f"matrices.fine.size is {size}: .*{message}"):
        checked(raw)


@pytest.mark.parametrize(
    ("side", "smallest", "times"),
    # 512, 256, 128, 64, 32, 16, 8, 4; 96, 48, 24, 12, 6; 16, 8
    [(512, 4, 7), (128, 4, 5), (96, 4, 4), (16, 8, 1), (7, 4, 0)],
)
def test_number_of_halvings(side, smallest, times):
    assert halvings(side, smallest) == times


def test_sizes_that_fit():
    assert [size for size in range(8, 41) if fits(size, 4)] == [
        *(8, 10, 12, 14),  # one halving, to 4 .. 7
        *(16, 20, 24, 28),  # two halvings
        *(32, 40),  # three halvings
    ]


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*missing\.yaml"):
        load_config([tmp_path / "missing.yaml"])
    broken = tmp_path / "broken.yaml"
    broken.write_text("training: {epochs: 3")
    with pytest.raises(ConfigError, match=r"broken\.yaml is not valid YAML"):
        load_config([broken])


@pytest.mark.parametrize("name", ["c.yaml", "c.json"])
def test_a_key_twice_is_named_with_both_lines(tmp_path, name):
    twice = tmp_path / name
    parts = '"training": {"epochs": 3}', '"run": {}', '"training": {"device": "cpu"}'
    twice.write_text("{" + ",\n".join(parts) + "}")
    message = rf"{name}: 'training' is there twice, in lines 1 and 3; keep one\.$"
    with pytest.raises(ConfigError, match=message):
        load_config([twice])


def test_a_method_or_a_column_of_experiments_twice_is_refused(tmp_path):
    methods = tmp_path / "methods.yaml"
    methods.write_text("nnunet: {label: a}\nstn: {label: b}\nnnunet: {label: c}\n")
    with pytest.raises(ConfigError, match="'nnunet' is there twice, in lines 1 and 3"):
        checked({"methods": str(methods)})
    table = tmp_path / "experiments.tsv"
    table.write_text("experiment\tmatrix\tmethod\tmatrix\na\tfine\tnnunet\tcoarse\n")
    with pytest.raises(ConfigError, match="has the column 'matrix' twice, in line 1"):
        checked({"experiments": str(table)})


def test_what_snakemake_is_given_is_looked_at_for_keys_twice():
    refuse_twice(["run={folds: [0], seeds: [1]}", "results=a: b: c", "x={y", "metrics"])
    with pytest.raises(ConfigError, match="--config run: 'folds' is there twice"):
        refuse_twice(["training={epochs: 3}", "run={folds: [0], folds: [1]}"])


def test_numbers_that_snakemake_is_given_inside_of_mappings_are_numbers():
    given = {"folds": ["0", "1"], "rate": "3.0e-5", "on": "true", "age": "null"}
    expected = {"folds": [0, 1], "rate": 3e-5, "on": True, "age": None}
    assert retyped({"run": given, "seed": 7}) == {"run": expected, "seed": 7}
    for text in ("results/a", "a: b", "[0, 1]", "{x", "2026-01-01"):
        assert retyped([text]) == [text]


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path):
    for name in ("c.yaml", "c.json"):
        path = tmp_path / name
        path.write_text('{"training": {"epochs": 7}}', encoding="utf-8-sig")
        assert load_config([path]).training.epochs == 7


def test_an_unknown_experiment_is_answered_with_the_known():
    with pytest.raises(ConfigError, match=r"There is no experiment 'x'.* coarse_nn"):
        load_config([]).experiment("x")


def test_a_package_without_its_schema_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(schema, "SCHEMA", tmp_path / "no.yaml")
    schema.load_schema.cache_clear()
    try:
        with pytest.raises(
            ConfigError, match=r"no.yaml is missing. Install DeePRAC again"
        ):
            checked({})
    finally:
        schema.load_schema.cache_clear()
