"""The schema that editors use accepts every study we ship, and nothing misspelt.

THALWEG=target/release/thalweg pytest tests/python
"""

import json
import pathlib
import tomllib

import jsonschema
import pytest

STUDIES = sorted((pathlib.Path(__file__).parents[2] / "studies").glob("*.toml"))


@pytest.fixture(scope="module")
def validator(thalweg):
    schema = json.loads(thalweg("studies", "schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_there_are_studies():
    assert STUDIES


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_schema_accepts_a_shipped_study(validator, path):
    validator.validate(tomllib.loads(path.read_text()))


def test_the_schema_refuses_an_unknown_key(validator):
    study = tomllib.loads(STUDIES[0].read_text())
    study.setdefault("net", {})["hiden"] = [4]
    assert not validator.is_valid(study)
