"""Settings of all tests here."""

from hypothesis import settings

# Tests may run beside a training that leaves them little of the processor: how long an example takes says nothing.
settings.register_profile("training", deadline=None, max_examples=50)
settings.load_profile("training")
