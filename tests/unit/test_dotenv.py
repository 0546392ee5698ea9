"""``.env``: what is read of it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_worker.errors import ConfigurationError
from workflow_worker.settings import Settings, load


def test_values_of_the_file_are_taken_literally(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"\xef\xbb\xbfREDIS_URL='redis://:a${HOME}b@h'\n")
    assert load({}, {}, dotenv).redis_url == "redis://:a${HOME}b@h"


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    assert load({}, {}, tmp_path / ".env") == Settings()


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"BATCH_SIZE=\xff\n")
    with pytest.raises(ConfigurationError, match="can't be read: it is no UTF-8"):
        load({}, {}, dotenv)


@pytest.mark.parametrize("text", ["LEASE_MS 40000\n", "\n\n# why\n=s3cret\n"])
def test_a_line_that_is_none_of_a_setting_is_refused_unseen(
    tmp_path: Path, text: str
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"BATCH_SIZE=4\n{text}")
    with pytest.raises(ConfigurationError) as caught:
        load({}, {}, dotenv)
    line = 1 + text.count("\n")
    assert str(caught.value) == f"{dotenv}: line {line} must be like NAME=VALUE"
