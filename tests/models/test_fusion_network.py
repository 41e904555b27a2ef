"""What a fusion network makes of its joint answer and of what each sense says by itself."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

import torch
from models.build.fusion.network import _product

UNDECIDED = torch.zeros(1, 3)
SAYS_FIRST, SAYS_SECOND = [5.0, 0.0, 0.0], [0.0, 5.0, 0.0]


def test_of_two_senses_that_differ_the_more_reliable_one_is_believed() -> None:
    apart = torch.tensor([[SAYS_FIRST, SAYS_SECOND]])

    assert int(_product(UNDECIDED, apart, torch.tensor([[0.9, 0.2]])).argmax()) == 0
    assert int(_product(UNDECIDED, apart, torch.tensor([[0.2, 0.9]])).argmax()) == 1


def test_senses_that_agree_are_surer_together() -> None:
    agreed = torch.tensor([[SAYS_FIRST, SAYS_FIRST]])

    both, one = (_product(UNDECIDED, agreed, torch.tensor([there])).exp() for there in ([0.9, 0.9], [0.9, 0.0]))

    assert float(both[0, 0]) > float(one[0, 0]) > 1 / 3


def test_an_absent_sense_has_no_say() -> None:
    joint = torch.tensor([[2.0, 1.0, 0.0]])

    said = [_product(joint, torch.tensor([[own, own]]), torch.zeros(1, 2)) for own in (SAYS_FIRST, SAYS_SECOND)]

    assert torch.equal(*said)
    assert said[0].argsort().tolist() == joint.argsort().tolist()
    assert float(said[0].exp().sum()) == pytest.approx(1)
