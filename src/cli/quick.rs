//! The usual lines of `exec`, without clap: to define two dozen options, with their help, is a fortieth of a start. What is
//! unusual here, or wrong, is left to clap, which also writes the help; a test holds the two against each other.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Exec, Format, Options};
use crate::spec::value::{self, Credentials, Existing, Separator};

/// What clap would make of `stepzero exec ...`, or `None` when it has to be asked.
pub fn exec(args: &[OsString]) -> Option<Exec> {
    let mut options = Options::default();
    let mut at = 2;
    loop {
        let arg = args.get(at)?.to_str()?;
        if arg == "--" {
            at += 1;
            break;
        }
        if !arg.starts_with('-') {
            break;
        }
        at += 1;
        if switch(&mut options, arg).is_some() {
            continue;
        }
        let (name, value) = match arg.split_once('=') {
            Some(pair) => pair,
            None => {
                at += 1;
                (arg, args.get(at - 1)?.to_str()?)
            }
        };
        set(&mut options, name, value)?;
    }
    let command = args.get(at..)?.to_vec();
    // An empty operand is clap's to judge.
    let named = command.first().is_some_and(|name| !name.is_empty());
    named.then_some(Exec { options, command })
}

/// An option without a value; `None` when it is none, or was there before.
fn switch(options: &mut Options, name: &str) -> Option<()> {
    let switch = match name {
        "-v" | "--verbose" | "-vv" => {
            options.verbose = options.verbose.saturating_add(if name == "-vv" { 2 } else { 1 });
            return Some(());
        }
        "-q" | "--quiet" => &mut options.quiet,
        "--references" => &mut options.references,
        "--pristine" => &mut options.pristine,
        "--allow-writable-spec" => &mut options.allow_writable_spec,
        _ => return None,
    };
    (!std::mem::replace(switch, true)).then_some(())
}

/// An option with a value; `None` also when that could be a mistake, such as another option.
fn set(options: &mut Options, name: &str, text: &str) -> Option<()> {
    if text.is_empty() || text.starts_with('-') {
        return None;
    }
    match name {
        "-s" | "--spec" => once(&mut options.spec, PathBuf::from(text)),
        "-p" | "--project" => once(&mut options.project, text.to_owned()),
        "-e" | "--environment" => once(&mut options.environment, text.to_owned()),
        "-k" | "--key" => many(&mut options.key, text),
        "--parameter" => many(&mut options.parameter, text),
        "--load" => many(&mut options.load, text),
        "--scope" => many(&mut options.scope, text),
        "--keep" => many(&mut options.keep, text),
        "--separator" => once(&mut options.separator, Separator::parse(text).ok()?),
        "--existing" => once(&mut options.existing, Existing::parse(text).ok()?),
        "--credentials" => once(&mut options.credentials, Credentials::parse(text).ok()?),
        "--region" => once(&mut options.region, text.to_owned()),
        "--endpoint-url" => once(&mut options.endpoint_url, text.to_owned()),
        "--profile" => once(&mut options.profile, text.to_owned()),
        // Text is the default: said as well, it could be the second word about it.
        "--log-format" if text == "json" && options.log_format == Format::Text => {
            options.log_format = Format::Json;
            Some(())
        }
        "--timeout" => once(&mut options.timeout, value::duration(text).ok()?),
        _ => None,
    }
}

fn many(option: &mut Vec<String>, text: &str) -> Option<()> {
    option.push(text.to_owned());
    Some(())
}

/// `None` when it was said before.
fn once<T>(option: &mut Option<T>, value: T) -> Option<()> {
    option.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::super::{Command, Typed, by_clap};
    use super::*;

    fn line(words: &[&str]) -> Vec<OsString> {
        ["stepzero", "exec"].iter().chain(words).map(OsString::from).collect()
    }

    /// Holds a line against clap; returns whether it was read here.
    fn agrees(words: &[&str]) -> bool {
        let args = line(words);
        let Some(quick) = exec(&args) else { return false };
        let Ok(Typed::Command(Command::Exec(thorough))) = by_clap(&args) else {
            panic!("clap refuses what is read here: {words:?}")
        };
        assert_eq!(format!("{quick:?}"), format!("{thorough:?}"), "{words:?}");
        true
    }

    #[test]
    fn usual_lines_are_read_here() {
        for words in [
            "-s app.toml -- start",
            "--spec=app.toml start -s other --help",
            "-p projectA -e production -k a -k B=b --key=c=d --key C=e -- start -- now",
            "--parameter A=/a:3 --load /app --scope x --keep HOME --pristine --references -v -v -q -- start",
            "--separator / --existing keep --credentials instance-profile --timeout 1m30s -- start",
            "--region eu-west-1 --endpoint-url https://x --profile p --allow-writable-spec --verbose --quiet start",
            "-vv --log-format json -v --spec app.toml start",
        ] {
            assert!(agrees(&words.split(' ').collect::<Vec<_>>()), "{words}");
        }
    }

    #[test]
    fn every_short_line_is_read_as_clap_reads_it() {
        let words = [
            "-s",
            "-sx",
            "-s=x",
            "--spec",
            "--spec=x",
            "--spec=",
            "-k",
            "-kx",
            "--key=-x",
            "-v",
            "-q",
            "-vv",
            "-vq",
            "--quiet",
            "--quiet=true",
            "--pristine",
            "--timeout",
            "--timeout=5s",
            "5s",
            "--existing=keep",
            "--credentials=auto",
            "--separator=.",
            "--log-format=json",
            "--nope",
            "-h",
            "--help",
            "-",
            "--",
            "---",
            "",
            "x",
            "=",
            "--=",
        ];
        let read = (0..words.len().pow(3)).filter(|at| {
            let picked: Vec<&str> = (0..3u32).map(|digit| words[at / words.len().pow(digit) % words.len()]).collect();
            agrees(&picked)
        });
        assert!(read.count() > 1000, "too few lines are read here");
    }

    /// Each option of exec, in both forms, twice, and with a value that can be wrong.
    #[test]
    fn options_that_are_said_twice_or_wrongly_are_read_as_clap_reads_them() {
        let definition = super::super::definition();
        let exec = definition.find_subcommand("exec").expect("it is there");
        for option in exec.get_arguments().filter_map(|arg| arg.get_long()) {
            let long = format!("--{option}");
            let mut read = false;
            for value in ["x", ".", "5s", "keep", "auto", "json", "text", "-1", "", "a b", "ü"] {
                let joined = format!("{long}={value}");
                for words in
                    [&[&*long, value, "c"][..], &[&joined, "c"], &[&joined, &long, value, "c"], &[&long, &long, "c"]]
                {
                    read |= agrees(words);
                }
            }
            assert!(read || option == "help", "no form of {long} is read here");
        }
    }
}
