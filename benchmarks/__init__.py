"""How fast trialkit is beside what a user would otherwise run: ratios on one machine in one run, never a test.

``python -m benchmarks`` runs every workload that is built, ``python -m benchmarks W5`` one.  A workload is a module
``w<number>.py`` with a function ``run(data, rounds)`` that returns the lines to print; adding the file adds it.
"""
