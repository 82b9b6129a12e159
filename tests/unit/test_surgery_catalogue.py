from deeprac.surgery.catalogue import MEASURES

UNITS = {"_ml": "ml", "_mm": "mm", "_cm2": "cm2", "_percent": "%"}


def test_names_end_in_their_unit():
    for name, measure in MEASURES.items():
        ending = [unit for end, unit in UNITS.items() if name.endswith(end)]
        assert ending == ([measure.unit] if measure.unit else []), name


def test_definitions_are_sentences_that_fit_in_a_table():
    for measure in MEASURES.values():
        assert measure.definition[0].isupper()
        text = measure.definition + measure.method + measure.citation + measure.of
        assert "|" not in text
        assert "\n" not in text
