//! The packages that a pure crate may be built on.
//!
//! None of them opens a socket or starts a task by itself. `getrandom`, `rand` and `chacha20` are
//! there for `uuid`, whose random constructors no pure crate calls, `libc` for `cpufeatures` and
//! `getrandom`, and `jiff` and `httpdate` for reading points in time, never the present one.

use std::collections::BTreeSet;

use super::{BALANCER, MODEL, PROVIDERS, Row, TABLE};

/// What may be under the crate of `row`: its own list, the crates of its row, and what may be under
/// those.
pub(super) fn packages_under(row: &Row) -> BTreeSet<&'static str> {
    let own = PACKAGES.iter().find(|(name, _)| *name == row.name);
    let mut packages: BTreeSet<_> = own
        .map_or(&[][..], |(_, own)| own)
        .iter()
        .copied()
        .collect();
    for used in TABLE
        .iter()
        .filter(|other| row.may_use.contains(&other.name))
    {
        packages.insert(used.name);
        packages.extend(packages_under(used));
    }
    packages
}

const PACKAGES: &[(&str, &[&str])] = &[
    (
        BALANCER,
        &[
            "arc-swap",
            "crossbeam-utils",
            "fastrand",
            "rustversion",
            "try-lock",
        ],
    ),
    (
        MODEL,
        &[
            "aho-corasick",
            "block-buffer",
            "cfg-if",
            "chacha20",
            "cpufeatures",
            "crypto-common",
            "digest",
            "equivalent",
            "foldhash",
            "form_urlencoded",
            "generic-array",
            "getrandom",
            "hashbrown",
            "hex",
            "icu_collections",
            "icu_locale_core",
            "icu_normalizer",
            "icu_normalizer_data",
            "icu_properties",
            "icu_properties_data",
            "icu_provider",
            "idna",
            "idna_adapter",
            "indexmap",
            "itoa",
            "jiff",
            "jiff-core",
            "libc",
            "litemap",
            "memchr",
            "percent-encoding",
            "potential_utf",
            "rand",
            "rand_core",
            "regex",
            "regex-automata",
            "regex-syntax",
            "secrecy",
            "serde",
            "serde_core",
            "serde_json",
            "sha2",
            "smallvec",
            "stable_deref_trait",
            "strsim",
            "thiserror",
            "tinystr",
            "typenum",
            "url",
            "utf8_iter",
            "utf_types",
            "uuid",
            "writeable",
            "yoke",
            "zerofrom",
            "zeroize",
            "zerotrie",
            "zerovec",
            "zmij",
        ],
    ),
    (
        PROVIDERS,
        &[
            "base64",
            "bytes",
            "crc32fast",
            "httpdate",
            "percent-encoding",
        ],
    ),
];
