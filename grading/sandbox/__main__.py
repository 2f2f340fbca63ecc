"""Start the harness: `python3 -I -S -B PATH/grading/sandbox/__main__.py [FOLDER WITH NUMPY]`.

With -I and -S Python reads no environment, no site-packages and no .pth files, which is leaner and leaves
nothing to guess; so the two folders that are needed are put on the path here.
"""

import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when numpy is imported; threads would also not survive a fork
sys.path[:0] = [__file__.rsplit("/grading/sandbox/", 1)[0], *sys.argv[1:]]

from grading.sandbox.harness import main  # noqa: E402

main()
