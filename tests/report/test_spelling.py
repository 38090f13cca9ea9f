"""A fingerprint read aloud and typed back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialkit.errors import UsageError
from trialkit.report.spelling import aloud, fingerprint, spelled, unspelled

# docs/spec/draw.md, section 12: the protocol hash of the draw by hand
BY_HAND = "e3531614186ce78c7ef8fdc23c14995061911007e6a15ea54a36fe063116ccbd"


def test_groups_for_the_eye():
    assert fingerprint(BY_HAND) == "e3531614 186ce78c 7ef8fdc2 3c149950 61911007 e6a15ea5 4a36fe06 3116ccbd"


def test_words_for_the_ear():
    assert spelled(BY_HAND, "da")[0] == "Erik tre fem tre"
    assert spelled(BY_HAND, "da")[2] == "en otte seks Cecilie"
    assert spelled(BY_HAND, "en")[-1] == "Charlie Charlie Bravo Delta"
    assert len(spelled(BY_HAND, "da")) == 16


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["da", "en"]))
def test_what_is_heard_can_be_typed_back(digest, lang):
    words = aloud(digest.hex(), lang)
    assert unspelled(words, lang) == digest.hex()
    assert unspelled(words.upper().replace(", ", "\n"), lang) == digest.hex()


def test_a_word_that_is_none_of_the_sixteen_is_named():
    with pytest.raises(UsageError) as refused:
        unspelled(aloud(BY_HAND, "da").replace("Erik", "Emil", 1), "da")
    assert refused.value.facts["word"] == "emil"


@pytest.mark.parametrize("words", ["", "nul " * 63, "nul " * 65])
def test_too_few_and_too_many_words_are_refused(words):
    with pytest.raises(UsageError):
        unspelled(words, "da")


@pytest.mark.parametrize("digest", [BY_HAND[:-1], BY_HAND.upper(), BY_HAND + "\n", "g" * 64])
def test_only_a_digest_is_spelled(digest):
    with pytest.raises(UsageError):
        spelled(digest, "en")
