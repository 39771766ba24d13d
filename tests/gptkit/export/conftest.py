import pytest
from small_runs import train_small_runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory, english):
    return train_small_runs(tmp_path_factory.mktemp("runs"), english)
