"""The load client must find the one bad answer among many good ones."""

import json
import subprocess
import sys
import tempfile
import unittest
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


class Load(unittest.TestCase):
    def test_good_answers_are_counted_by_both_ways(self):
        with endpoint("--authorization", "secret") as url, tempfile.NamedTemporaryFile("w") as file:
            file.write("secret\n")
            file.flush()
            container = ["--container", f"{url}/credentials", "--authorization-file", file.name]
            for way in (["--imds", url], container):
                code, report = load(*way, "--requests", "205", "--connections", "10")
                self.assertEqual((code, report["good"], report["failures"]), (0, 205, []), report)
                self.assertEqual(report["statuses"], {"200": 205})
                self.assertEqual(len(report["access_keys"]), 205)

    def test_it_goes_on_until_enough_access_keys_were_seen(self):
        with endpoint() as url:
            code, report = load("--imds", url, "--requests", "20", "--connections", "5", "--access-keys", "100")
        self.assertEqual((code, report["good"], report["failures"]), (0, report["requests"], []), report)
        self.assertGreaterEqual(len(report["access_keys"]), 100)
        self.assertLess(report["requests"], 120)

    def test_a_bad_answer_of_any_kind_is_found(self):
        for bad in ("status", "empty", "expired", "truncated", "cut"):
            with self.subTest(bad), endpoint("--bad", bad, "--bad-every", "50") as url:
                code, report = load("--imds", url, "--requests", "200", "--connections", "5")
                self.assertEqual((code, report["good"], len(report["failures"])), (1, 196, 4), report)

    def test_a_server_that_is_not_there_is_no_success(self):
        code, report = load("--imds", "http://127.0.0.1:9", "--requests", "4", "--connections", "2")
        self.assertEqual((code, report["good"]), (1, 0))

    def test_no_other_machine_is_loaded(self):
        run = subprocess.run(
            [sys.executable, HERE / "clients/load.py", "--imds", "http://192.0.2.1"], capture_output=True
        )
        self.assertEqual(run.returncode, 2)


@contextmanager
def endpoint(*options):
    command = [sys.executable, HERE / "reference_endpoint.py", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield server.stdout.readline().partition("url=")[2].strip()
        server.stdin.close()


def load(*options):
    run = subprocess.run([sys.executable, HERE / "clients/load.py", *options], capture_output=True, text=True)
    return run.returncode, json.loads(run.stdout)


if __name__ == "__main__":
    unittest.main()
