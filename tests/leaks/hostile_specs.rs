//! Hostile input for what reads text: specs, references, names and values. The bodies and the corpus are those of the
//! fuzz targets; here each seed runs, and 10,000 mutations of them, the same ones every time.

use std::path::Path;

use crate::common::{Directory, stepzero};
use crate::random::Random;
use crate::support::fake;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

const MUTATIONS: usize = 10_000;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).expect("the corpus").flatten().map(|file| file.path()).collect();
    paths.sort();
    assert!(paths.len() >= 3, "a corpus of {}", paths.len());
    paths.into_iter().map(|path| std::fs::read(path).expect("a file of the corpus")).collect()
}

/// What parsers stumble over.
#[rustfmt::skip] // A line for each would be long.
const TOKENS: &[&[u8]] = &[
    b"\0", b"\n", b"=", b"\"", b"'", b"[", b"]", b"[[", b"{", b"}", b"\\u0000", b"\\", b"\x1b[31m", b"\xff",
    b"\xe2\x80\xae", "🔑".as_bytes(), b"{project}", b"{", b":", b"::", b"/", b"//", b"ssm:", b"arn:aws:ssm:",
    b"99999999999999999999", b"-1", b"nan", b"1e999", b"\"\"\"", b"'''", b"#", b",", b".", b"\t", b"\r\n", b"[env]",
    b"[files]", b"[[load]]", b"label = ", b"version = ",
    b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", b"LD_PRELOAD", b"=ssm:", b"shared",
    b"\xc3",
];

/// One to eight changes: a byte, a token, a piece of another seed, a cut, a repetition.
fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = random.pick(seeds).clone();
    for _ in 0..=random.below(8) {
        let at = random.below(data.len() + 1);
        let end = (at + random.below(30)).min(data.len());
        match random.below(6) {
            0 if at < data.len() => data[at] = random.byte(),
            1 => drop(data.splice(at..at, random.pick(TOKENS).iter().copied())),
            2 => drop(data.splice(at..end, random.pick(TOKENS).iter().copied())),
            3 => drop(data.drain(at..end)),
            4 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
            _ => {
                let other = random.pick(seeds);
                let from = random.below(other.len() + 1);
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
        }
    }
    data
}

fn survives(name: &str, target: fn(&[u8])) {
    let seeds = corpus(name);
    seeds.iter().for_each(|seed| target(seed));
    let mut random = Random::new(name);
    for number in 0..MUTATIONS {
        let data = mutated(&mut random, &seeds);
        let result = std::panic::catch_unwind(|| target(&data));
        assert!(result.is_ok(), "{name} {number}: {:?}", String::from_utf8_lossy(&data));
    }
}

#[test]
fn ten_thousand_hostile_specs() {
    survives("spec", targets::spec);
}

#[test]
fn ten_thousand_hostile_environments() {
    survives("references", targets::references);
}

#[test]
fn ten_thousand_hostile_answers() {
    survives("answers", targets::answers);
}

/// The binary reads a hostile spec as the library does: it ends with a code of its own, says why, and asks nobody.
#[test]
fn a_hostile_spec_ends_without_a_request() {
    let (fake, directory) = (fake(), Directory::open());
    let (seeds, mut random) = (corpus("spec"), Random::new("binary"));
    let mut refused = 0;
    for number in 0..150 {
        let spec = directory.file("spec.toml", mutated(&mut random, &seeds));
        let run = |args: &[&str]| stepzero(&fake, args.iter().chain(&["--allow-writable-spec", "-s", &spec])).output();
        let planned = run(&["plan"]);
        assert!([0, 64, 78].contains(&planned.code()), "{number}: {} {}", planned.code(), planned.stderr());
        assert!(planned.code() == 0 || !planned.stderr().is_empty(), "{number}: no word");
        if planned.code() != 0 {
            refused += 1;
            let code = planned.code();
            run(&["check", "--format", "json"]).expect(code);
        }
    }
    assert!(refused > 50, "the control: most are refused, {refused}");
    assert!(fake.log().is_empty(), "it asked: {:?}", fake.log());
}
