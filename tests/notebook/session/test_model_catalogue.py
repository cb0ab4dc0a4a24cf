"""The models for Tab and the chat come from the client of the notebook, and no one waits long for them."""

import threading

from codex_jupyter.notebook.session.model_catalogue import Catalogue, ModelCatalogue, read_catalogue
from codex_jupyter.sdk import CodexError, CodexOptions, Model
from tests.sdk.conftest import Real, real

__all__ = ["real"]

OPTIONS = CodexOptions()
MODELS = (Model(name="a"), Model(name="b", hidden=True))


def test_a_list_that_takes_long_is_empty_until_it_is_there() -> None:
    """It is read once, in the background."""
    reads: list[CodexOptions] = []
    let = threading.Event()

    def read(options: CodexOptions) -> Catalogue:
        reads.append(options)
        let.wait(30)
        return Catalogue(MODELS)

    catalogue = ModelCatalogue(lambda: OPTIONS, read)
    assert catalogue.get(0.01) == catalogue.get(0.01) == ()
    let.set()
    assert catalogue.get(30) == catalogue.get(0) == MODELS
    assert len(reads) == 1


def test_a_list_that_cannot_be_read_is_read_again() -> None:
    """A failure is not kept."""
    failures = [CodexError("no CLI")]

    def read(_options: CodexOptions) -> Catalogue:
        if failures:
            raise failures.pop()
        return Catalogue(MODELS)

    catalogue = ModelCatalogue(lambda: OPTIONS, read)
    assert catalogue.get(30) == ()
    assert catalogue.get(30) == MODELS


def test_another_client_has_its_own_models() -> None:
    """The list of the first one is not shown."""
    options = [CodexOptions(base_url="first"), CodexOptions(base_url="second")]
    catalogue = ModelCatalogue(
        lambda: options[0], lambda client: Catalogue((Model(name=str(client.base_url)),), {"model": str(client.base_url)})
    )
    assert [model.name for model in catalogue.get(30)] == ["first"]
    assert catalogue.configured == {"model": "first"}
    options.reverse()
    assert catalogue.configured == {}
    assert [model.name for model in catalogue.get(30)] == ["second"]


def test_models_and_configuration_are_read_in_the_environment_of_the_client(real: Real) -> None:
    """With its CODEX_HOME, and no process stays."""
    codex = real.codex(real.play([]))
    configured = {"model": "some-model", "model_reasoning_effort": "low"}
    catalogue = read_catalogue(codex.options.model_copy(update={"config": {**codex.options.config, **configured}}))
    assert any(model.is_default for model in catalogue.models)
    assert catalogue.configured == {"model": "some-model", "effort": "low"}
    assert real.processes() == []
