"""What speaking loads: no more than it needs."""

import subprocess
import sys


def test_speaking_does_not_load_the_compiler_of_torch():
    """It takes as long as all the rest."""
    code = "import sys, sovits_cli.inference.writer; print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
