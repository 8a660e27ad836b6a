"""Which licences may be in the training data, and how packages spell them."""

from __future__ import annotations

import re

#: SPDX names of the licences that allow use without conditions on what is made from the text (notices apart).
PERMISSIVE = frozenset(
    {"MIT", "MIT-0", "MIT-CMU", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "PSF-2.0", "Unlicense", "CC0-1.0", "BSL-1.0", "Zlib", "CC-BY-4.0"}
)

#: How metadata spells them, lower case, without blanks and punctuation. "BSD" is a licence of that family not told apart.
_SPELLINGS = {
    "mit": "MIT",
    "mitlicense": "MIT",
    "themitlicense": "MIT",
    "themitlicensemit": "MIT",
    "licenseosiapprovedmitlicense": "MIT",
    "expat": "MIT",
    "mitstyle": "MIT",
    "mit0": "MIT-0",
    "mitcmu": "MIT-CMU",
    "apache2": "Apache-2.0",
    "apache20": "Apache-2.0",
    "apachev2": "Apache-2.0",
    "apachelicense": "Apache-2.0",
    "apachelicense2": "Apache-2.0",
    "apachelicense20": "Apache-2.0",
    "apachelicenseversion20": "Apache-2.0",
    "apachesoftwarelicense": "Apache-2.0",
    "apachesoftwarelicense20": "Apache-2.0",
    "apache2license": "Apache-2.0",
    "apachelicensev20": "Apache-2.0",
    "asl2": "Apache-2.0",
    "bsd": "BSD",
    "bsdlicense": "BSD",
    "newbsd": "BSD-3-Clause",
    "newbsdlicense": "BSD-3-Clause",
    "modifiedbsdlicense": "BSD-3-Clause",
    "bsd2": "BSD-2-Clause",
    "bsd2clause": "BSD-2-Clause",
    "simplifiedbsd": "BSD-2-Clause",
    "bsd3": "BSD-3-Clause",
    "bsd3clause": "BSD-3-Clause",
    "bsd3clauselicense": "BSD-3-Clause",
    "3clausebsdlicense": "BSD-3-Clause",
    "3clausebsd": "BSD-3-Clause",
    "0bsd": "0BSD",
    "isc": "ISC",
    "isclicense": "ISC",
    "isclicenseiscl": "ISC",
    "psf": "PSF-2.0",
    "psf20": "PSF-2.0",
    "python20": "PSF-2.0",
    "pythonsoftwarefoundationlicense": "PSF-2.0",
    "unlicense": "Unlicense",
    "theunlicenseunlicense": "Unlicense",
    "publicdomain": "CC0-1.0",
    "cc010": "CC0-1.0",
    "boost": "BSL-1.0",
    "bsl10": "BSL-1.0",
    "zlib": "Zlib",
}


def normal(expression: str) -> str | None:
    """The SPDX expression that `expression` means, or None when a part of it is unknown or not permissive."""
    names = [each for each in re.split(r"\s+(?:AND|and|OR|or|and/or|&)\s+|/|,", expression.strip(" ()")) if each]
    spdx = [_SPELLINGS.get(re.sub(r"[^a-z0-9]", "", name.lower())) for name in names]
    if not spdx or any(name is None for name in spdx):
        return None
    joint = " OR " if re.search(r"\bor\b|/", expression, re.IGNORECASE) else " AND "
    return joint.join(sorted({name for name in spdx if name is not None}))
