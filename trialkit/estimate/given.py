"""What a caller hands over, as plain numbers in the right order: a table's own labels are obeyed or refused, never dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialkit.errors import EstimateError

Floats = NDArray[np.float64]


def numbers(given: ArrayLike, name: str) -> Floats:
    """``given`` as floats; whole numbers, truth values and None (missing) too.

    Raises
    ------
    EstimateError
        A text, a date, a complex number, rows of unlike lengths, or anything else that is no number.
    """
    try:
        plain = np.asarray(given)
        if plain.dtype.kind in "biuf" or (plain.dtype.kind == "O" and not _texts(plain)):
            return np.asarray(plain, np.float64)
    except (TypeError, ValueError):  # rows of unlike lengths, or an object that is no number
        pass
    raise EstimateError(
        f"{name} holds something that is no number, so nothing can be computed from it. Texts such as '3,5', dates and "
        "complex numbers are not guessed at: convert them first, and leave a missing value as nan.",
        {"name": name},
        da=f"{name} rummer noget, der ikke er et tal, så intet kan beregnes ud fra det. Tekster som '3,5', datoer og "
        "komplekse tal bliver der ikke gættet på: lav dem om først, og lad en manglende værdi være nan.",
    )


def by_unit(given: ArrayLike, units: Sequence[str], name: str) -> Floats:
    """Numbers by unit in the order of ``units``: a Series or DataFrame labelled by the units is put in their order.

    One without labels of its own (0, 1, 2, ...), and anything else, is taken in the order it has.

    Raises
    ------
    EstimateError
        The labels are others than the units; or as `numbers`.
    """
    labels = _labels(given)
    if labels is None:
        return numbers(given, name)
    place = {str(label): k for k, label in enumerate(labels)}
    if len(place) != len(labels) or set(place) != set(units):
        odd = sorted(set(place) ^ set(units))[:5]
        raise EstimateError(
            f"{name} is labelled by {', '.join(labels[:3])}, ..., and the units are {', '.join(units[:3])}, ...: each unit "
            f"needs its label once. Not in both: {', '.join(odd) or 'none, but a label stands twice'}. Set the index to "
            "the units, or hand over the bare values in the units' order.",
            {"name": name, "labels": labels, "units": list(units)},
            da=f"{name} har navnene {', '.join(labels[:3])}, ..., og enhederne hedder {', '.join(units[:3])}, ...: hver "
            f"enhed skal stå der én gang. Ikke i begge: {', '.join(odd) or 'ingen, men et navn står to gange'}. Sæt "
            "indekset til enhederne, eller giv de rene værdier i enhedernes rækkefølge.",
        )
    return numbers(given, name)[[place[unit] for unit in units]]


def same_rows(given: Mapping[str, object]) -> None:
    """Refuse tables of rows that are labelled differently: side by side, one row would get another's value.

    Raises
    ------
    EstimateError
        Two of them have labels of their own, and not the same in the same order.
    """
    seen = {name: index for name, one in given.items() if (index := _index(one)) is not None}
    names = list(seen)
    for name in names[1:]:
        if not _same(seen[names[0]], seen[name]):
            raise EstimateError(
                f"The rows of {name} are labelled otherwise than those of {names[0]}, so a row of one would be put beside "
                "another row of the other. Bring them into one table first, or hand over the bare values.",
                {"names": [names[0], name]},
                da=f"Rækkerne i {name} har andre navne end rækkerne i {names[0]}, så en række ville komme ud for en anden. "
                "Saml dem i én tabel først, eller giv de rene værdier.",
            )


def by_name(columns: object, name: str) -> dict[str, ArrayLike]:
    """Columns by their names: a mapping, or a DataFrame; nothing where ``columns`` is None.

    Raises
    ------
    EstimateError
        They have no names, as an array's have none.
    """
    if columns is None:
        return {}
    if isinstance(columns, Mapping) or (hasattr(columns, "columns") and hasattr(columns, "items")):
        return {str(key): column for key, column in columns.items()}
    raise EstimateError(
        f"{name} is a {type(columns).__name__} without names, and a coefficient nobody can name is no answer. Give a "
        "dictionary from names to columns, or a DataFrame.",
        {"name": name, "type": type(columns).__name__},
        da=f"{name} er {type(columns).__name__} uden navne, og en koefficient uden navn er intet svar. Giv en dictionary "
        "fra navne til kolonner, eller en DataFrame.",
    )


def side_by_side(columns: object, **given: object) -> None:
    """`same_rows` of the columns and of everything else that stands beside them by rows.

    Raises
    ------
    EstimateError
        As `same_rows`, and as `by_name` for the columns.
    """
    same_rows({**given, **{f"column {name!r}": column for name, column in by_name(columns, "columns").items()}})


def labelled(given: object, name: str) -> NDArray[np.generic]:
    """One label per row, as an array; a number or a text each, and none of them missing.

    Raises
    ------
    EstimateError
        Not one row of labels, or a label that is None, nan or empty, which would make a group of whoever has none;
        ``facts["rows"]`` says where.
    """
    each = given if isinstance(given, list | tuple) else np.asarray(given)
    if isinstance(each, np.ndarray) and each.ndim != 1 and _missing(given) is False:
        raise EstimateError(
            f"{name} is no row of labels but a {type(given).__name__} of shape {each.shape}. Give one label per row.",
            {"name": name, "shape": each.shape},
            da=f"{name} er ikke en række navne, men {type(given).__name__} med formen {each.shape}. Giv ét navn pr. række.",
        )
    lacking = _lacking(each)
    if lacking:
        raise EstimateError(
            f"Row {lacking[0]} has no label in {name}, and {len(lacking)} rows lack one in all. Rows without a label are "
            "no group of their own. Give every row its label, or leave such rows out by name.",
            {"name": name, "rows": lacking},
            da=f"Række {lacking[0]} har intet navn i {name}, og i alt {len(lacking)} rækker mangler et. Rækker uden navn "
            "er ikke en gruppe for sig. Giv hver række sit navn, eller udelad dem med vilje.",
        )
    return np.asarray(given)


def one_of(word: str, choices: Sequence[str], name: str) -> None:
    """Refuse a word that is none of ``choices`` for the option ``name``: another method would answer under its name.

    Raises
    ------
    EstimateError
        ``facts`` hold the word by ``name``, and the choices as ``known``.
    """
    if not (isinstance(word, str) and word in choices):
        known = ", ".join(map(repr, choices))
        raise EstimateError(
            f"There is no {name}={word!r}, and another choice would answer another question. Write one of {known}.",
            {name: word, "known": list(choices)},
            da=f"{name}={word!r} findes ikke, og et andet valg ville besvare et andet spørgsmål. Skriv en af {known}.",
        )


def _texts(plain: NDArray[np.object_]) -> bool:
    """Whether texts stand among the objects; numpy would take '3' for 3."""
    return any(isinstance(one, str | bytes) for one in plain.flat)


def _lacking(labels: Sequence[object] | NDArray[np.generic]) -> list[int]:
    """Rows without a label."""
    if not isinstance(labels, np.ndarray) or labels.dtype.kind == "O":  # in an array of texts None would be 'None'
        return [
            row
            for row, one in enumerate(np.ravel(labels) if isinstance(labels, np.ndarray) else labels)
            if _missing(one)
        ]
    if labels.dtype.kind in "US":
        return np.flatnonzero(labels == labels.dtype.type()).tolist()
    return np.flatnonzero(labels != labels).tolist()


def _missing(one: object) -> bool:
    """None, nan and the like, which differ from themselves, and empty texts."""
    if one is None or (isinstance(one, str) and not one.strip()):
        return True
    try:
        return bool(one != one)
    except (TypeError, ValueError):  # a missing value that will not even be compared, or a row of several
        return not isinstance(one, np.ndarray | list | tuple)


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether labels are alike and in the same order; 1 and '1' are."""
    return one is other or list(one) == list(other) or [str(a) for a in one] == [str(b) for b in other]


def _index(given: object) -> Sequence[object] | None:
    """The index of a pandas object, whatever it is."""
    index = getattr(given, "index", None)
    return None if index is None or callable(index) else index


def _labels(given: object) -> list[str] | None:
    """The labels of a pandas object that has its own: not those of a table nobody labelled."""
    index = _index(given)
    if index is None or list(index) == list(range(len(index))):
        return None
    return [str(label) for label in index]


__all__ = ["by_name", "by_unit", "labelled", "numbers", "one_of", "same_rows", "side_by_side"]
