from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.dates import MONTHS, LetterDate
from corpora.errors import DateError

dates = st.one_of(
    st.builds(LetterDate, st.integers(-999, 2100)),
    st.builds(LetterDate, st.integers(-999, 2100), st.integers(1, 12)),
    st.builds(LetterDate, st.integers(-999, 2100), st.integers(1, 12), st.integers(1, 28)),
)


@given(dates)
def test_a_written_date_reads_back(date: LetterDate) -> None:
    assert LetterDate.parse(str(date)) == date
    if date.year > 0:
        assert LetterDate.parse(date.long) == date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("1687", (1687, None, None)),
        (" 1687-07 ", (1687, 7, None)),
        ("5 July 1687", (1687, 7, 5)),
        ("5th Jul. 1687", (1687, 7, 5)),
        ("July 5, 1687", (1687, 7, 5)),
        ("29 February 1700", (1700, 2, 29)),  # a day of the Julian calendar
        ("-43", (-43, None, None)),
    ],
)
def test_the_usual_ways_to_write_a_date(
    text: str, date: tuple[int, int | None, int | None]
) -> None:
    assert LetterDate.parse(text) == LetterDate(*date)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("yesterday", "1689-06-10"),
        ("", "is not a date"),
        ("31 June 1689", "1 to 30"),
        ("1689-13", "no month 13"),
        ("29 February 1701", "1 to 28"),
        ("5 Ju 1687", "not"),
        ("5 Julember 1687", "name of a month"),
        ("١٦٨٧-00", "month"),
    ],
)
def test_what_is_no_date_says_what_is(text: str, says: str) -> None:
    with pytest.raises(DateError, match=says):
        LetterDate.parse(text)


@given(dates, dates)
def test_not_after_is_a_total_order(a: LetterDate, b: LetterDate) -> None:
    assert a.not_after(a)
    assert a.not_after(b) or b.not_after(a)
    assert a.first_day <= a.last_day


def test_a_year_is_read_as_late_as_it_can_be() -> None:
    year, summer = LetterDate(1687), LetterDate(1687, 7, 5)
    assert summer.not_after(year)
    assert not year.not_after(summer)


def test_before_christ() -> None:
    assert LetterDate(-43).long == "44 BC"
    assert LetterDate(0, 3).long == f"{MONTHS[2]} 1 BC"
