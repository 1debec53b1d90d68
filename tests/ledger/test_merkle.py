"""The tree is that of RFC 6962."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import (
    Frontier,
    prove_consistency,
    prove_inclusion,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from ledger.merkle import EMPTY_ROOT, leaf_hash, node_hash

LEAVES = [leaf_hash(bytes([n])) for n in range(200)]
sizes = st.integers(0, 130)


def test_empty_tree_is_the_hash_of_nothing() -> None:
    """RFC 6962, section 2.1."""
    assert tree_root([]) == Frontier().root() == EMPTY_ROOT


def test_reference_tree_has_the_published_root() -> None:
    """The eight leaves of the Certificate Transparency reference tree."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    inputs.append("606162636465666768696a6b6c6d6e6f")
    leaves = [leaf_hash(bytes.fromhex(each)) for each in inputs]
    root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert tree_root(leaves).hex() == root


@given(sizes)
def test_frontier_and_tree_agree(size: int) -> None:
    """Invariant 1."""
    frontier = Frontier()
    frontier.extend(LEAVES[:size])
    copy = frontier.joined(Frontier())
    copy.push(LEAVES[size])
    assert frontier.root() == tree_root(LEAVES[:size])
    assert copy.root() == tree_root(LEAVES[: size + 1])
    assert (frontier.size, copy.size) == (size, size + 1)


@given(st.integers(0, 6), st.integers(0, 5), st.integers(0, 20))
def test_subtrees_extend_a_frontier(height: int, count: int, rest: int) -> None:
    """Perfect subtrees enter as one hash each."""
    frontier, width = Frontier(), 1 << height
    for at in range(count):
        frontier.push_subtree(tree_root((LEAVES * 3)[at * width : (at + 1) * width]), height)
    part = Frontier()
    part.extend((LEAVES * 3)[count * width : count * width + min(rest, width - 1)])
    joined = frontier.joined(part)
    assert joined.root() == tree_root((LEAVES * 3)[: joined.size])
    frontier.extend((LEAVES * 3)[count * width : count * width + rest])
    assert frontier.root() == tree_root((LEAVES * 3)[: count * width + rest])


def test_a_subtree_needs_its_place() -> None:
    """A subtree of two does not stand after one leaf."""
    frontier = Frontier()
    frontier.push(LEAVES[0])
    with pytest.raises(ValueError, match="cannot stand"):
        frontier.push_subtree(LEAVES[1], 1)


@given(st.data(), st.integers(1, 130))
def test_inclusion_is_proven_and_nothing_else(data: st.DataObject, size: int) -> None:
    """Invariant 2 for inclusion: another index, size, leaf, hash or length does not pass."""
    index = data.draw(st.integers(0, size - 1))
    leaves, root = LEAVES[:size], tree_root(LEAVES[:size])
    proof = prove_inclusion(leaves, index)
    assert verify_inclusion(leaves[index], index, size, proof, root)
    assert not verify_inclusion(LEAVES[150], index, size, proof, root)
    assert not verify_inclusion(leaves[index], index, size, [*proof, root], root)
    assert not verify_inclusion(leaves[index], size, size, proof, root)
    if proof:
        assert not verify_inclusion(leaves[index], index, size, proof[:-1], root)
        assert not verify_inclusion(leaves[index], index ^ 1, size, proof, root)
        assert not verify_inclusion(leaves[index], index, size, [root, *proof[1:]], root)


@given(st.data(), st.integers(1, 130))
def test_consistency_is_proven_and_nothing_else(data: st.DataObject, size: int) -> None:
    """Invariant 2 for consistency."""
    old = data.draw(st.integers(1, size))
    leaves = LEAVES[:size]
    old_root, root = tree_root(leaves[:old]), tree_root(leaves)
    proof = prove_consistency(leaves, old)
    assert verify_consistency(old, size, proof, old_root, root)
    assert not verify_consistency(old, size, proof, node_hash(root, root), root)
    assert not verify_consistency(old, size, [*proof, root], old_root, root)
    assert not verify_consistency(size + 1, size, proof, old_root, root)
    assert not verify_consistency(0, size, [], EMPTY_ROOT, root)
    assert not verify_consistency(-1, size, proof, old_root, root)
    assert not verify_consistency(old, size, proof, old_root, LEAVES[150])
    if proof:
        assert not verify_consistency(old, size, proof[:-1], old_root, root)
        assert not verify_consistency(old, size, [], old_root, root)


@pytest.mark.parametrize("index", [-1, 3])
def test_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    """A wrong question is a fault of the caller."""
    with pytest.raises(ValueError, match="no leaf"):
        prove_inclusion(LEAVES[:3], index)
    with pytest.raises(ValueError, match="no prefix"):
        prove_consistency(LEAVES[:3], 4)


def test_public_proofs_are_made_and_accepted(transparency: dict[str, Any]) -> None:
    """The proofs of the reference tree, byte for byte."""
    vectors = transparency["rfc6962"]
    leaves = [bytes.fromhex(each) for each in vectors["leaf_hashes_hex"]]
    roots = [bytes.fromhex(each) for each in vectors["roots_hex_n0_to_n8"]]
    assert [tree_root(leaves[:n]) for n in range(9)] == roots
    for each in vectors["inclusion"]:
        proof = prove_inclusion(leaves[: each["size"]], each["index"])
        assert [node.hex() for node in proof] == each["proof_hex"]
    for each in vectors["consistency"]:
        proof = prove_consistency(leaves[: each["size2"]], each["size1"])
        assert [node.hex() for node in proof] == each["proof_hex"]


def _decode(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def test_public_probes_are_judged_as_published(transparency: dict[str, Any]) -> None:
    """Proofs bent in every way that the authors thought of."""
    probes = transparency["merkle_probes"]
    judged = 0
    for probe in probes["inclusion"]:
        proof = [_decode(each) for each in probe["proof"] or ()]
        passed = verify_inclusion(
            _decode(probe["leafHash"]),
            probe["leafIdx"],
            probe["treeSize"],
            proof,
            _decode(probe["root"]),
        )
        assert passed is not probe["wantErr"], probe
        judged += 1
    for probe in probes["consistency"]:
        proof = [_decode(each) for each in probe["proof"] or ()]
        passed = verify_consistency(
            probe["size1"], probe["size2"], proof, _decode(probe["root1"]), _decode(probe["root2"])
        )
        assert passed is not probe["wantErr"], probe
        judged += 1
    assert judged == 196


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_consistency_proof_is_made_of_hashes(at: int) -> None:
    """Roots and nodes have 32 bytes, whatever they would hash to."""
    leaves = [leaf_hash(bytes([n])) for n in range(3)]
    proof = prove_consistency(leaves, 2)
    parts = [tree_root(leaves[:2]), tree_root(leaves), *proof]
    assert verify_consistency(2, 3, parts[2:], *parts[:2])
    parts[at] += b"x"
    assert verify_consistency(2, 3, parts[2:], *parts[:2]) is False


def test_a_longer_old_root_that_hashes_to_the_new_one_is_refused() -> None:
    """33 bytes and 31 bytes would give the same node as 32 and 32."""
    old, rest = bytes(range(33)), bytes(31)
    root = node_hash(old, rest)
    assert verify_consistency(2, 3, [rest], old, root) is False
