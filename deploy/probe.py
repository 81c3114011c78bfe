"""Exit code 0 if a page answers 200: the image has no curl, and needs none."""

import sys
import urllib.error
import urllib.request

if __name__ == "__main__":
    try:
        with urllib.request.urlopen(sys.argv[1], timeout=4) as answer:
            code = 0 if answer.status == 200 else 1
    except (OSError, urllib.error.URLError):
        code = 1
    sys.exit(code)
