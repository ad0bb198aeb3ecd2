"""Commits all files of a Xandikos collection at once.

Two thousand PUTs take Xandikos minutes; two thousand files in one commit, a second.
"""

import sys

from dulwich import porcelain
from dulwich.repo import Repo

folder, *names = sys.argv[1], *sys.stdin.read().split()
repo = Repo(folder)
porcelain.add(repo, paths=[f"{folder}/{name}" for name in names])
porcelain.commit(repo, message=b"Many events", author=b"test <test@example.com>",
                 committer=b"test <test@example.com>")
