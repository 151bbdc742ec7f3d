"""A budget is shared by those who ask for it, and one of them cannot take all of it."""

import pytest

from tallystick.errors import Unavailable
from tallystick.http.allowance import Reservation
from tests.http.receiving import allowance


def test_one_holder_gets_no_more_than_it_leaves_to_the_others():
    budget = allowance(100)
    budget.take(50, "acme")
    with pytest.raises(Unavailable):
        budget.take(1, "acme")
    budget.take(25, "other")
    with pytest.raises(Unavailable):
        budget.take(1, "other")


def test_what_is_given_back_is_there_again():
    budget = allowance(100)
    for _ in range(3):
        taken = Reservation(budget, "acme")
        taken.take(50)
        taken.give_back(taken.amount)
    budget.take(100)
