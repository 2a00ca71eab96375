"""Fixtures and parameters of all tests."""

import os

import pytest
import torch

import msrnn


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `name` runs for every model."""
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", msrnn.list_models())


@pytest.fixture(autouse=True, scope="session")
def _one_thread_per_worker() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
