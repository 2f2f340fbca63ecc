"""Start the harness: `python3 -I -S -B PATH/grading/sandbox/__main__.py [FOLDER WITH NUMPY]`.

With -I and -S Python reads no environment, no site-packages and no .pth files, which is leaner and leaves
nothing to guess; so the two folders that are needed are put on the path here.

Each submission pays for what happens here, and for nobody else: hence the three lines that save time.
"""

import gc
import os
import sys

gc.disable()  # importing makes much and drops nothing; a fork has it on again
sys.modules["_hashlib"] = None  # type: ignore[assignment]  # OpenSSL; hashlib and hmac have their own without it

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported; threads would also not survive a fork
sys.path[:0] = [__file__.rsplit("/grading/sandbox/", 1)[0], *sys.argv[1:]]

from grading.sandbox.harness import main  # noqa: E402

main()
os._exit(0)  # all is written; to take the interpreter apart costs as much as a probe
