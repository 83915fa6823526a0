"""Every name that existing code imports is at its place."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import fleche

pytestmark = pytest.mark.portable

NAMES = {
    "fleche": "fleche cache meta tags project D Ignored Required BoundWrapper wrap_executor digest __version__",
    "fleche.state": "cache meta tags project BoundWrapper get_cache get_metadata",
    "fleche.wrapper": "fleche Ignored Required process_ignore_required_args",
    "fleche.executor": "wrap_executor",
    "fleche.security": "SignedBytes SignatureError get_secret_key normalize_secret_key",
    "fleche.query": "QueryIterator",
    "fleche.metadata": "MetaData Runtime Environment Git Tags CONFIGURABLE configurable",
    "fleche.call": """Call DigestedCall LazyCall LazyArguments PreparedCall QueryCall FunctionProfile Ignored Required
        bind""",
    "fleche.caches": """BaseCache Cache CacheWrapper CacheStack CachePool ReadOnlyMixin ReadOnlyCache FilteringMixin
        FilteredCache RefreshingCache SizeLimitedMixin SizeLimitedCache Rejected""",
    "fleche.digest": """digest Digest Indigestible DIGEST_LENGTH add_hook Hook get_hooks load_entry_points
        digest_class""",
    "fleche.storage": """SaveError AmbiguousDigestError Intent OperationContext KeyManagement StorageBackend
        ValueStorage ValueMixin CallStorage CallMixin MemoryBackend VoidBackend ValueMemory CallMemory ValueVoid
        CallVoid SerializingMixin PerKeyLockMixin register_storage get_storage_constructor is_registered_storage
        register_serializer FileStorage PickleFileBackend ValueBagOfHoldingH5File CallBagOfHoldingH5File
        BagOfHoldingH5FileBackend""",
    "fleche.config": """cache_from_config load_cache_config cache_to_config storage_from_config storage_to_config
        load_default_metadata""",
    "fleche.storage.sql": "Sql",
    "fleche.storage.base": """SaveError AmbiguousDigestError Intent OperationContext KeyManagement StorageBackend
        ValueStorage ValueMixin CallStorage CallMixin""",
    "fleche.storage.memory": "MemoryBackend ValueMemory CallMemory",
    "fleche.storage.void": "VoidBackend ValueVoid CallVoid",
    "fleche.storage.thread_safe": "SerializingMixin PerKeyLockMixin",
    "fleche.storage.bagofholding_file": """ValueBagOfHoldingH5File CallBagOfHoldingH5File
        BagOfHoldingH5FileBackend""",
    "fleche.storage.file": "FileStorage",
    "fleche.storage.destructuring": """DestructuringMixin register_destructurer Digested DigestedIterable DigestedDict
        DigestedDataclass DigestedAttrs""",
    "fleche.storage.pickle_file": "PickleFileBackend ValuePickleFile CallPickleFile",
}

PAIRS = [(module, name) for module, names in NAMES.items() for name in names.split()]


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_a_name_is_at_its_place(module, name):
    """It can be imported."""
    assert getattr(importlib.import_module(module), name) is not None


def test_digest_is_the_module_and_the_function_inside_it():
    """``from fleche import digest`` gives the module, ``from fleche.digest import digest`` the function."""
    from fleche import digest

    assert digest is sys.modules["fleche.digest"]
    assert digest.digest([1]) == fleche.D([1])


@pytest.mark.parametrize("module", ["state", "wrapper", "executor", "security", "metadata"])
def test_faces_list_what_they_have(module):
    """``__all__`` is sorted and true."""
    face = importlib.import_module(f"fleche.{module}")
    assert face.__all__ == sorted(face.__all__)
    assert all(hasattr(face, name) for name in face.__all__)


def test_the_names_cost_an_import_of_fleche_nothing():
    """The modules of existing code are imported when they are asked for, and no sooner."""
    code = (
        "import sys, fleche\n"
        "late = 'state wrapper executor security metadata storage.pickle_file storage.registry memo.executors'\n"
        "print([name for name in late.split() if f'fleche.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
