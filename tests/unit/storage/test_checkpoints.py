"""The text files of a log directory, as Kafka writes them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import DecodeError
from protocol.ids import TopicPartition, Uuid, uuid_from_string
from storage import checkpoints
from storage.checkpoints import EpochEntry, MetaProperties

ID = uuid_from_string("AAECAwQFBgcICQoLDA0ODw")
partitions = st.builds(
    TopicPartition, st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True), st.integers(0, 2**31 - 1)
)


class TestOffsets:
    def test_text(self) -> None:
        data = checkpoints.encode_offsets({TopicPartition("a", 0): 5, TopicPartition("b.c-d", 12): 2**40})
        assert data == b"0\n2\na 0 5\nb.c-d 12 1099511627776\n"

    @given(st.dictionaries(partitions, st.integers(0, 2**63 - 1)))
    def test_round_trip(self, offsets: dict[TopicPartition, int]) -> None:
        assert checkpoints.decode_offsets(checkpoints.encode_offsets(offsets)) == offsets

    @pytest.mark.parametrize("data", [b"", b"0\n", b"0\n0\n"])
    def test_empty(self, data: bytes) -> None:
        assert checkpoints.decode_offsets(data) == {}

    @pytest.mark.parametrize(
        "data",
        [
            b"1\n0\n",
            b"1\n",
            b"x",
            b"0\n1\n",
            b"0\n1\na 0\n",
            b"0\n1\na 0 5 6\n",
            b"0\n1\na x 5\n",
            b"0\n2\na 0 5\n",
            b"0\n1\na 0 5\nb 0 5\n",
            b"0\nx\na 0 5\n",
            b"\xff\xfe",
            b"0\n1\na 0 " + b"9" * 30 + b"\n",
        ],
    )
    def test_malformed(self, data: bytes) -> None:
        with pytest.raises(DecodeError):
            checkpoints.decode_offsets(data)

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        for decode in (
            checkpoints.decode_offsets,
            checkpoints.decode_leader_epochs,
            checkpoints.decode_partition_metadata,
            checkpoints.decode_meta_properties,
        ):
            with contextlib.suppress(DecodeError):
                decode(data)
        checkpoints.decode_clean_shutdown(data)


def test_leader_epochs() -> None:
    entries = [EpochEntry(0, 0), EpochEntry(7, 120)]
    data = checkpoints.encode_leader_epochs(entries)
    assert data == b"0\n2\n0 0\n7 120\n"
    assert checkpoints.decode_leader_epochs(data) == entries


class TestPartitionMetadata:
    def test_text(self) -> None:
        data = checkpoints.encode_partition_metadata(ID)
        assert data == b"version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw"
        assert checkpoints.decode_partition_metadata(data) == ID
        assert checkpoints.decode_partition_metadata(data + b"\n") == ID

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"version: 0\n",
            b"version: x\ntopic_id: AAECAwQFBgcICQoLDA0ODw",
            b"version: 0\ntopic_id: short",
            b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
        ],
    )
    def test_malformed(self, data: bytes) -> None:
        with pytest.raises(DecodeError):
            checkpoints.decode_partition_metadata(data)


class TestMetaProperties:
    def test_text(self) -> None:
        data = checkpoints.encode_meta_properties(MetaProperties("MkU3OEVBNTcwNTJENDM2Qk", 3, ID))
        assert data == (
            b"#\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\ndirectory.id=AAECAwQFBgcICQoLDA0ODw\nnode.id=3\nversion=1\n"
        )

    @given(
        st.builds(
            MetaProperties,
            st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30),
            st.integers(0, 2**31 - 1),
            st.none() | st.binary(min_size=16, max_size=16).map(Uuid),
            st.just(1),
        )
    )
    def test_round_trip(self, properties: MetaProperties) -> None:
        assert checkpoints.decode_meta_properties(checkpoints.encode_meta_properties(properties)) == properties

    def test_as_java_writes_it(self) -> None:
        text = b"#\n#Sun Nov 23 04:02:11 UTC 2025\ncluster.id=a\\=b\\:c\nversion=1\ndirectory.id=" + (
            b"AAECAwQFBgcICQoLDA0ODw\nnode.id = 7\n"
        )
        assert checkpoints.decode_meta_properties(text) == MetaProperties("a=b:c", 7, ID)

    def test_version_0_needs_nothing(self) -> None:
        assert checkpoints.decode_meta_properties(b"broker.id=4\n") == MetaProperties(None, 4, None, 0)

    @pytest.mark.parametrize(
        "data",
        [
            b"version=1\nnode.id=1\n",
            b"version=1\ncluster.id=x\n",
            b"version=2\n",
            b"version=1\ncluster.id=x\nnode.id=y\n",
        ],
    )
    def test_malformed(self, data: bytes) -> None:
        with pytest.raises(DecodeError):
            checkpoints.decode_meta_properties(data)


def test_clean_shutdown() -> None:
    data = checkpoints.encode_clean_shutdown(42)
    assert data == b'{"version":0,"brokerEpoch":42}'
    assert checkpoints.decode_clean_shutdown(data) == 42
    assert checkpoints.decode_clean_shutdown(b"") is None
    assert checkpoints.decode_clean_shutdown(b"[]") is None
