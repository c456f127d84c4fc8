#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How bench/micro/run judges counts, without counting anything: `budgets.py`."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import unittest

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "micro", "run")
sys.dont_write_bytecode = True  # nothing is left beside the program


def judge(counted):
    """The exit code and what is said of a case with a budget of 100."""
    loader = importlib.machinery.SourceFileLoader("micro_run", RUN)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("micro_run", loader))
    loader.exec_module(module)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = module.judge({("broker", "some-16"): counted}, {("broker", "some-16"): (100.0, False)})
    return code, said.getvalue()


class Budgets(unittest.TestCase):
    def test_within_the_tolerance_nothing_is_said(self):
        for counted in (95.1, 97.0, 100.0, 103.3, 104.9):
            self.assertEqual(judge(counted), (0, ""))

    def test_what_costs_more_or_less_by_more_fails_and_says_what_to_do(self):
        for counted, message in ((105.1, "find out what has become dearer"), (94.9, "set the lower one")):
            code, said = judge(counted)
            self.assertEqual(code, 1, said)
            self.assertIn(message, said)
            self.assertIn("./bench/micro/run --write broker/some-16", said)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "--verbose"])
