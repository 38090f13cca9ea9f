"""For every test: no example is judged by the clock, and `tests.strategies` can be imported."""

from hypothesis import settings

settings.register_profile("trialkit", deadline=None, max_examples=60)
settings.load_profile("trialkit")
