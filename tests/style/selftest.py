#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows every style check a small tree that is in order and then the same tree with one fault, which it must find: a
check that cannot fail proves nothing. Programs that are not installed here have their cases skipped.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
HEAD = LICENCE + "/*\n * What this is,\n * how it works and\n * who calls it.\n */\n"
BODY = "  x++;\n"


def tree(contents):
    """Writes {path: text} into a new directory and returns it."""
    root = tempfile.mkdtemp(prefix="style-")
    for path, text in contents.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as out:
            out.write(text)
        if path.endswith("/run"):
            os.chmod(os.path.join(root, path), 0o755)
    return root


def run(check, *arguments):
    """Runs a check; returns its exit code and output."""
    path = os.path.join(HERE, check)
    program = [sys.executable] if check.endswith(".py") else ["sh"]
    done = subprocess.run([*program, path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def function(lines, before=""):
    """A function of so many lines."""
    return f"{before}static int long_one(int x) {{\n{BODY * (lines - 3)}  return x;\n}}\n"


class Check(unittest.TestCase):
    def clean(self, check, contents, *more):
        code, output = self.judge(check, contents, *more)
        self.assertEqual(code, 0, output)

    def fault(self, check, contents, expected, *more):
        code, output = self.judge(check, contents, *more)
        self.assertEqual(code, 1, output)
        self.assertIn(expected, output)

    def judge(self, check, contents, *more):
        root = tree(contents)
        self.addCleanup(shutil.rmtree, root)
        return run(check, root, *more)


class Includes(Check):
    def include(self, path, line, **others):
        files = {"lib/base/pool.h": HEAD, "lib/loop/watch.h": HEAD, "lib/net/tcp.h": HEAD, "broker/route.h": HEAD,
                 "broker/server.h": HEAD, "broker/nats/nats.h": HEAD, "broker/mqtt/mqtt.h": HEAD, "broker/ops/auth.h": HEAD,
                 "broker/access/access.h": HEAD,
                 "bench/commands.h": HEAD, "bench/client/load.h": HEAD, "bench/figures/rows.h": HEAD,
                 "bench/scenarios/flow.h": HEAD, "include/tern/loop.h": HEAD}
        files.update(others)
        files[path] = HEAD + line + "\n"
        return files

    def test_allowed(self):
        for path, line in [("lib/net/a.c", '#include "watch.h"'), ("lib/net/a.c", '#include "pool.h"'),
                           ("lib/net/a.c", "#include <tern/protocol.h>"), ("lib/loop/a.c", "#include <urcu-qsbr.h>"),
                           ("broker/nats/a.c", '#include "route.h"'), ("broker/nats/a.c", "#include <jansson.h>"),
                           ("broker/main.c", '#include "ops/auth.h"'), ("broker/nats/a.c", '#include "access.h"'),
                           ("bench/main.c", '#include "flow.h"'), ("bench/client/a.c", '#include "rows.h"'),
                           ("bench/client/a.c", '#include "commands.h"'), ("bench/micro/a.c", '#include "watch.h"'),
                           ("lib/base/a.c", '/*\n#include "tcp.h"\n*/'), ("tests/unit/a.c", '#include "tcp.h"')]:
            with self.subTest(path=path, line=line):
                self.clean("includes.py", self.include(path, line))

    def test_faults(self):
        for path, line, expected in [
                ("lib/base/a.c", '#include "watch.h"', "base must not know lib/loop/watch.h"),
                ("lib/base/a.c", "#include <tern/loop.h>", "belongs to loop"),
                ("lib/registry/a.c", '#include "tcp.h"', "registry must not know"),
                ("lib/net/a.c", "#include <tern/codec_nats.h>", "belongs to codec"),
                ("lib/net/a.c", '#include "route.h"', "net must not know"),
                ("lib/net/a.c", "#include <urcu.h>", "liburcu"),
                ("lib/codec/a.c", "#include <openssl/ssl.h>", "OpenSSL"),
                ("lib/examples/a.c", '#include "pool.h"', "public headers only"),
                ("include/tern/loop.h", "#include <urcu/rculfhash.h>", "liburcu"),
                ("include/tern/loop.h", '#include "pool.h"', "public headers include"),
                ("include/tern/loop.h", "#include <tern/registry.h>", "belongs to registry"),
                ("include/tern/loop.h", "#include <tern/novelty.h>", "in no layer"),
                ("broker/main.c", '#include "watch.h"', "its own files only"),
                ("broker/nats/a.c", '#include "../mqtt/mqtt.h"', "the room nats must not know"),
                ("broker/nats/a.c", '#include "auth.h"', "the room nats must not know"),
                ("broker/nats/a.c", '#include "server.h"', "nats must not know broker/server.h"),
                ("broker/access/a.c", '#include "nats.h"', "the room access must not know broker/nats/nats.h"),
                ("broker/ops/a.c", '#include "nats.h"', "the room ops must not know broker/nats/nats.h"),
                ("bench/main.c", '#include "route.h"', "bench includes"),
                ("bench/client/a.c", '#include "flow.h"', "the room client must not know bench/scenarios/flow.h"),
                ("bench/figures/a.c", '#include "load.h"', "the room figures must not know bench/client/load.h"),
                ("bench/report/a.c", '#include "load.h"', "the room report must not know bench/client/load.h"),
                ("broker/main.c", '#include "stdio.h"', "no such file")]:
            with self.subTest(path=path, line=line):
                self.fault("includes.py", self.include(path, line), expected)

    def test_nothing(self):
        self.fault("includes.py", {"lib/readme": ""}, "no files")


class Lengths(Check):
    def test_allowed(self):
        self.clean("lengths.py", {"lib/base/a.c": HEAD + function(70)})
        self.clean("lengths.py", {"lib/base/a.c": HEAD + function(71, "/* long: one table */\n")})
        self.clean("lengths.py", {"lib/base/a.c": HEAD + "static const int table[] = {\n" + "  1,\n" * 200 + "};\n"})
        self.clean("lengths.py", {"lib/base/a.h": HEAD + "struct wide {\n" + "  int (*f)(int);\n" * 200 + "};\n"})
        self.clean("lengths.py", {"lib/base/a.c": HEAD + "#define F(x) { (x)\n" + "/* } { */ char *s = \"{{{\";\n" * 3 +
                                  function(70)})

    def test_functions(self):
        self.fault("lengths.py", {"lib/base/a.c": HEAD + function(71)}, "long_one: 71 lines")
        self.fault("lengths.py", {"lib/base/a.c": HEAD + function(151, "/* long: why */\n")}, "more than 150")
        self.fault("lengths.py", {"lib/base/a.c": HEAD + "/* long: of another */\nint other(void) { return 1; }\n" +
                                  function(71)}, "long_one: 71 lines")
        self.fault("lengths.py", {"tests/unit/a.c": HEAD + "struct s *\nmade(int x,\n  int y) {\n" + BODY * 80 + "}\n"},
                   "made: 84 lines")

    def test_files(self):
        self.clean("lengths.py", {"lib/base/a.c": HEAD + "int a;\n" * 690})
        self.fault("lengths.py", {"lib/base/a.c": HEAD + "int a;\n" * 700}, "706 lines")
        self.clean("lengths.py", {"lib/base/a.c": LICENCE + "/* long file: one table */\n" + "int a;\n" * 800})
        self.fault("lengths.py", {"lib/base/a.c": LICENCE + "/* long file: why */\n" + "int a;\n" * 1200}, "more than 1200")


class Banned(Check):
    def test_allowed(self):
        self.clean("banned.py", {"lib/base/a.c": HEAD + '/* strcpy(a, b) is banned */ const char *s = "gets(";\n'
                                 "int f(void) { return snprintf(0, 0, s) + my_atoi(s) + t->gets(1); }\n"})

    def test_calls(self):
        for call in ["strcpy(a, b)", "strcat(a, b)", "sprintf(a, b)", "strtok(a, b)", "x = atoi (a)", "gets(a)",
                     "alloca(9)", "atomic_thread_fence(memory_order_seq_cst)"]:
            with self.subTest(call=call):
                self.fault("banned.py", {"lib/base/a.c": HEAD + f"void f(void) {{ {call}; }}\n"}, "banned")

    def test_words(self):
        for word in ["TODO", "FIXME", "XXX", "for now"]:
            with self.subTest(word=word):
                self.fault("banned.py", {"lib/base/a.c": HEAD + f"/* {word} */\n"}, "unfinished")
                self.fault("banned.py", {"tests/run": f"# SPDX-License-Identifier: Apache-2.0\n# {word}\n"}, "unfinished")

    def test_paths(self):
        self.fault("banned.py", {"lib/base/a.c": HEAD + '#define P "/home/me/tern"\n'}, "somebody's machine")

    def test_heads(self):
        self.fault("banned.py", {"lib/base/a.c": "int a;\n"}, "SPDX")
        self.fault("banned.py", {"lib/base/a.h": LICENCE + "int a; /* later */\n"}, "what the file is")
        self.fault("banned.py", {"lib/base/a.c": LICENCE + "/* short */\nint a;\n"}, "head comment has 1 lines")
        self.fault("banned.py", {"lib/base/a.c": LICENCE + "/*\n" + " * a\n" * 50 + " */\n"}, "head comment has 52 lines")
        self.fault("banned.py", {"tests/e2e/a.py": "print()\n"}, "SPDX")


class Atomics(Check):
    def test_allowed(self):
        self.clean("atomics.py", {"lib/base/a.c": HEAD + "int f(void) {\n  /* pairs with g */\n  return\n"
                                  "      atomic_load_explicit(&a, memory_order_acquire);\n}\n"})

    def test_faults(self):
        for call in ["atomic_load_explicit(&a, memory_order_acquire)", "__atomic_store_n(&a, 1, 2)", "uatomic_inc(&a)",
                     "atomic_compare_exchange_weak_explicit(&a, &b, 1, x, y)"]:
            with self.subTest(call=call):
                self.fault("atomics.py", {"lib/base/a.c": HEAD + f"\n\n\nvoid f(void) {{ {call}; }}\n"}, "pairs with")
        self.fault("atomics.py", {"lib/base/a.c": HEAD + "int x = atomic_load(&a); /* pairs with b */\n"}, "memory order")


class Readme(Check):
    def test_readme(self):
        files = {"include/tern/loop.h": HEAD, "README.md": "`include/tern/loop.h` runs.\n"}
        self.clean("readme.py", files)
        self.fault("readme.py", {**files, "include/tern/worker.h": HEAD}, "worker.h is not mentioned")
        self.fault("readme.py", {**files, "README.md": "loop.h [here](docs/none.md)"}, "docs/none.md does not exist")
        self.assertEqual(self.judge("readme.py", {"include/tern/loop.h": HEAD})[0], 77)


class Mirror(Check):
    def test_mirror(self):
        files = {"lib/base/a.c": HEAD, "tests/unit/base/a.c": HEAD, "broker/c.c": HEAD, "tests/unit/broker/c.c": HEAD,
                 "broker/nats/b.c": HEAD, "tests/unit/broker/nats_b.c": HEAD, "lib/examples/e.c": HEAD,
                 "broker/main.c": HEAD, "tests/e2e/cli.py": ""}
        self.clean("mirror.py", files)
        self.fault("mirror.py", {**files, "lib/loop/a.c": HEAD}, "has no unit test tests/unit/loop/a.c")
        self.fault("mirror.py", {**files, "broker/nats/c.c": HEAD}, "has no unit test tests/unit/broker/nats_c.c")
        self.fault("mirror.py", {**files, "tests/unit/broker/main.c": HEAD}, "take it out")
        self.fault("mirror.py", {"broker/main.c": HEAD}, "not there")


class Headers(Check):
    def test_headers(self):
        good = {"include/tern/a.h": "#pragma once\n#include <stddef.h>\nstruct a { size_t n; };\n"}
        self.clean("headers.sh", good, "c", "cc")
        self.fault("headers.sh", {"include/tern/a.h": "#pragma once\nstruct a { size_t n; };\n"}, "does not compile", "c", "cc")
        if shutil.which("c++"):
            self.clean("headers.sh", good, "c++", "c++")
            self.fault("headers.sh", {"include/tern/a.h": "#pragma once\nstruct a { int class; };\n"}, "does not compile", "c++", "c++")
        self.assertEqual(self.judge("headers.sh", good, "c++", "no-such-compiler")[0], 77)
        self.fault("headers.sh", {"include/tern/a.h": "struct a { int n; };\n"}, "does not compile", "c", "cc")


class Tools(Check):
    """Checks by programs of others: that they are called so that they can find something."""

    def needs(self, check, contents, *more):
        code, output = self.judge(check, contents, *more)
        if code == 77:
            self.skipTest(output.strip())
        return code, output

    def test_format(self):
        files = {f"{folder}/keep": "" for folder in ("lib", "broker", "bench", "include", "tests")}
        with open(os.path.join(ROOT, ".clang-format"), encoding="utf-8") as style:
            files[".clang-format"] = style.read()
        code, output = self.needs("format.sh", {**files, "lib/a.c": "int f(void) { return 1; }\n"})
        self.assertEqual(code, 0, output)
        code, output = self.needs("format.sh", {**files, "lib/a.c": "int f (void)\n{\n\treturn 1;}\n"})
        self.assertNotIn(code, (0, 77), output)

    def test_scripts(self):
        files = {f"{folder}/keep": "" for folder in (".ci", "lib", "broker", "bench", "tests", "cmake")}
        code, output = self.needs("scripts.sh", {**files, "tests/run": '#!/bin/sh\necho "$1"\n'})
        self.assertEqual(code, 0, output)
        code, output = self.needs("scripts.sh", {**files, "tests/run": "#!/bin/sh\nrm -rf $1/*\n"})
        self.assertNotIn(code, (0, 77), output)

    def test_doxygen(self):
        if not shutil.which("doxygen"):
            self.skipTest("doxygen is not installed")
        with open(os.path.join(ROOT, "cmake", "Doxyfile.in"), encoding="utf-8") as template:
            text = template.read()
        for comment, good in (("/** Why. */ ", True), ("", False)):
            root = tree({"include/tern/a.h": f"/** @file\n * What. */\n{comment}int tern_a(void);\n"})
            self.addCleanup(shutil.rmtree, root)
            doxyfile = os.path.join(root, "Doxyfile")
            with open(doxyfile, "w", encoding="utf-8") as out:
                out.write(text.replace("@PROJECT_SOURCE_DIR@", root).replace("@CMAKE_BINARY_DIR@", root))
            code, output = run("doxygen.sh", doxyfile)
            self.assertEqual(code == 0, good, output)

    def test_tidy(self):
        with open(os.path.join(ROOT, ".clang-tidy"), encoding="utf-8") as checks:
            config = checks.read()
        for line, good in (("return p ? *p : 0;", True), ("if (!p) return *p; return 0;", False)):
            root = tree({".clang-tidy": config, "lib/a.c": f"int f(const int *p);\nint f(const int *p) {{ {line} }}\n"})
            self.addCleanup(shutil.rmtree, root)
            path = os.path.join(root, "lib", "a.c")
            with open(os.path.join(root, "compile_commands.json"), "w", encoding="utf-8") as out:
                json.dump([{"directory": root, "file": path, "arguments": ["cc", "-c", path]}], out)
            code, output = run("tidy.py", root, root)
            if code == 77:
                self.skipTest(output.strip())
            self.assertEqual(code == 0, good, output)


class Runner(unittest.TestCase):
    """tests/support/runner.py reads ctest's report: nothing that did not pass may count as passed."""

    def test_junit(self):
        sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
        sys.dont_write_bytecode = True
        import runner  # pylint: disable=import-outside-toplevel,import-error
        names = ["good", "bad", "away", "lost", "gone"]
        listed = {name: {"command": [], "properties": {}, "labels": ["unit"]} for name in names}
        root = tempfile.mkdtemp(prefix="style-")
        self.addCleanup(shutil.rmtree, root)
        report = os.path.join(root, "r.xml")
        with open(report, "w", encoding="utf-8") as out:
            out.write('<testsuite><testcase name="good" time="1" status="run"/>'
                      '<testcase name="bad" status="fail"><failure message="1"/></testcase>'
                      '<testcase name="away" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
                      "<system-out>one\nskipped: no spin\n</system-out></testcase>"
                      '<testcase name="gone" status="notrun"><skipped message="Unable to find executable"/></testcase>'
                      "</testsuite>")
        results = {r.name: r for r in runner.read_junit(runner.STAGES[0], report, listed)}
        self.assertEqual({name: result.status for name, result in results.items()},
                         {"good": "passed", "bad": "failed", "away": "skipped", "lost": "failed", "gone": "failed"})
        self.assertEqual(results["away"].reason, "no spin")
        self.assertEqual(runner.count_line(list(results.values())), "1 passed, 3 failed, 1 skipped")

    def test_seeded(self):
        """A bug counts as found only when the test passes without it and fails with it."""
        sys.dont_write_bytecode = True
        sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
        import runner  # pylint: disable=import-outside-toplevel,import-error
        tests = {name: {"command": ["sh", "-c", script], "properties": {}, "labels": []} for name, script in
                 {"sharp": 'test -z "$TERN_BUG"', "blunt": "true", "away": "echo SKIP: no such thing; exit 77"}.items()}
        self.assertEqual(runner.seeded_clean("sharp", tests).status, "passed")
        self.assertEqual(runner.seeded_bug("bug", "sharp", tests).status, "passed")
        self.assertEqual(runner.seeded_bug("bug", "blunt", tests).status, "failed")
        self.assertEqual(runner.seeded_bug("bug", "away", tests).status, "failed")
        self.assertEqual(runner.seeded_clean("away", tests).reason, "no such thing")
        self.assertEqual(runner.seeded_clean("none", tests).status, "failed")
        self.assertIsNone(runner.run_directly({"command": ["sleep", "60"], "properties": {}}, {}, 0.2)[0])


if __name__ == "__main__":
    unittest.main(verbosity=1)
