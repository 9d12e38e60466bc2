//! The exec: the command is found before any secret exists, and its environment is made at the last moment. This is the
//! only place where a value is exposed (and `credential`, which hands one to systemd).
#![forbid(unsafe_code)]

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use nix::errno::Errno;

use crate::environment::Target;
use crate::environment::{Binding, Environment, Value};
use crate::error::{Exit, Failure, count, printable};
use crate::sys;

/// Where execvp(3) looks without a `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The longest string that execve(2) takes, its NUL included (MAX_ARG_STRLEN).
const STRING_LIMIT: usize = 131_072;

/// A command that was found; the default has no arguments, for `check`.
#[derive(Debug, Default)]
pub struct Command {
    path: OsString,
    args: Vec<OsString>,
}

/// Finds the command in the places where execvp(3) looks: 127 when there is none, 126 when it cannot be executed. Unlike
/// there, a script without `#!` is not given to a shell, which would be another command with other arguments: that is 126.
pub fn find(args: Vec<OsString>, path: Option<&OsStr>) -> Result<Command, Failure> {
    let name = args.first().cloned().unwrap_or_default();
    let shown = printable(&name.to_string_lossy());
    let missing = || Failure::new(Exit::NotFound, format!("{shown}: command not found"));
    if name.is_empty() {
        let failure = Failure::new(Exit::NotFound, "\"\": command not found");
        return Err(failure.help("the command is empty: look for a variable that is not set"));
    }
    if name.as_bytes().contains(&b'/') {
        return match sys::executable(&name) {
            Ok(()) => checked(name, args),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Err(missing().help("there is no such file")),
            Err(errno) => Err(cannot_execute(&shown, errno)),
        };
    }
    let mut denied = None;
    for directory in path.unwrap_or(OsStr::new(DEFAULT_PATH)).as_bytes().split(|byte| *byte == b':') {
        // An empty directory in PATH is the current one.
        let directory = if directory.is_empty() { b"." } else { directory };
        let candidate = OsString::from_vec([directory, b"/", name.as_bytes()].concat());
        match sys::executable(&candidate) {
            Ok(()) => return checked(candidate, args),
            Err(Errno::EACCES) => denied = denied.or(Some(candidate)),
            Err(_) => {}
        }
    }
    match denied {
        Some(candidate) => Err(cannot_execute(&printable(&candidate.to_string_lossy()), Errno::EACCES)),
        None => Err(missing().help("it was looked for in PATH; say its full path")),
    }
}

fn cannot_execute(shown: &str, errno: Errno) -> Failure {
    let failure =
        Failure::new(Exit::CannotExecute, format!("{shown}: cannot be executed: {}", errno.desc().to_lowercase()));
    match errno {
        Errno::EACCES => {
            failure.help("it is no regular file, lacks the permission (chmod +x), or its file system is mounted noexec")
        }
        Errno::ENOEXEC => {
            failure.help("a script begins with #! and its interpreter; a binary is for this machine's architecture")
        }
        _ => failure,
    }
}

/// A script whose interpreter is missing would only be noticed after the fetch.
fn checked(path: OsString, args: Vec<OsString>) -> Result<Command, Failure> {
    let shown = printable(&path.to_string_lossy());
    if let Ok(head) = head(&path)
        && let Some(line) = head.strip_prefix(b"#!")
    {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or(line);
        let words = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty());
        let interpreter = OsStr::from_bytes(words.unwrap_or(b""));
        if let Err(errno) = sys::executable(interpreter) {
            let what =
                format!("{shown}: its interpreter {} cannot be executed", printable(&interpreter.to_string_lossy()));
            return Err(Failure::new(Exit::CannotExecute, what).detail(errno.desc().to_lowercase()));
        }
    }
    Ok(Command { path, args })
}

/// The first bytes of a file, as many as the kernel reads for `#!` (execve(2)).
fn head(path: &OsStr) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    const LENGTH: usize = 256;
    let mut head = Vec::with_capacity(LENGTH);
    std::fs::File::open(path)?.take(LENGTH as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Becomes the command. Returns only when that cannot be.
pub fn replace(command: Command, environment: Environment, inheritance: &sys::Inheritance) -> Failure {
    if let Err(failure) = fits(&command, &environment, sys::stack_limit) {
        return failure;
    }
    let args: Result<Vec<CString>, _> = command.args.into_iter().map(|arg| CString::new(arg.into_vec())).collect();
    // The arguments came through execve(2), which ends them with a NUL.
    let Ok(args) = args else { return Failure::new(Exit::Usage, "an argument has a NUL byte") };
    let strings = match strings(environment) {
        Ok(strings) => strings,
        Err(failure) => return failure,
    };
    inheritance.restore();
    let errno = sys::execve(&command.path, &args, &strings);
    sys::ignore_sigpipe();
    let shown = printable(&command.path.to_string_lossy());
    match errno {
        Errno::E2BIG => {
            Failure::new(Exit::DataErr, format!("{shown}: arguments and environment are too large for the kernel"))
        }
        Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE | Errno::EIO => {
            Failure::new(Exit::OsErr, format!("{shown}: cannot be started: {}", errno.desc().to_lowercase()))
        }
        Errno::ENOENT => Failure::new(Exit::CannotExecute, format!("{shown}: its interpreter or loader is missing")),
        errno => cannot_execute(&shown, errno),
    }
}

/// The strings of the environment, with the values in them. The exposure.
fn strings(environment: Environment) -> Result<Vec<CString>, Failure> {
    let lowest = lowest_descriptor();
    let mut strings = Vec::with_capacity(environment.inherited.len() + environment.bindings.len());
    for entry in environment.inherited {
        // An inherited entry came as a C string.
        strings.extend(CString::new(entry));
    }
    for Binding { variable, target, value, .. } in environment.bindings {
        let value = match &value {
            Value::Fetched(secret) => secret.expose(),
            Value::Default(text) => text.as_bytes(),
        };
        let path: String;
        let value = match target {
            Target::Environment => value,
            Target::File { mode } => {
                let sealed = sys::sealed_file(variable.as_str(), value, mode, lowest).map_err(|errno| {
                    let what = format!("{variable}: no sealed memory for it: {}", errno.desc().to_lowercase());
                    let failure = Failure::new(Exit::OsErr, what);
                    match errno {
                        Errno::EFBIG => failure.help("raise the limit of file sizes (ulimit -f, LimitFSIZE=)"),
                        _ => failure,
                    }
                })?;
                path = format!("/proc/self/fd/{sealed}");
                path.as_bytes()
            }
        };
        // Exact, so that growing does not leave a copy behind; one byte more for the NUL.
        let mut entry = Vec::with_capacity(variable.as_str().len() + value.len() + 2);
        entry.extend_from_slice(variable.as_str().as_bytes());
        entry.push(b'=');
        entry.extend_from_slice(value);
        let entry = CString::new(entry).map_err(|_| Failure::new(Exit::DataErr, format!("{variable}: a NUL byte")))?;
        strings.push(entry);
    }
    Ok(strings)
}

/// Above the descriptors of socket activation (sd_listen_fds(3)), and 10 or higher, where shells keep their hands off.
fn lowest_descriptor() -> RawFd {
    let passed = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<RawFd>().ok()).unwrap_or(0);
    10.max(3 + passed.clamp(0, 4096))
}

/// Whether execve(2) will take it: DATAERR with the sizes and the biggest variables when not. The kernel gives arguments
/// and environment a quarter of the stack limit, at most 6 MiB and at least 128 KiB.
pub fn fits(command: &Command, environment: &Environment, stack: impl FnOnce() -> Option<u64>) -> Result<(), Failure> {
    const MOST: u64 = 6 * 1024 * 1024;
    const LEAST: u64 = 128 * 1024;
    let fetched = environment.bindings.iter().map(|binding| (binding.variable.to_string(), size(binding)));
    let mut sizes: Vec<(String, usize)> = fetched.collect();
    let long = sizes.iter().filter(|(_, size)| *size > STRING_LIMIT);
    if let Some((name, size)) = long.max_by_key(|(_, size)| *size) {
        let what =
            format!("{name} is too large for the environment: {size} bytes with its name, of at most {STRING_LIMIT}");
        return Err(Failure::new(Exit::DataErr, what).help("hand it over as a file, under [files] in the spec"));
    }
    let inherited: usize = environment.inherited.iter().map(|entry| entry.len() + 1).sum();
    let arguments: usize = command.args.iter().map(|arg| arg.len() + 1).sum::<usize>() + command.path.len() + 1;
    let bound: usize = sizes.iter().map(|(_, size)| size).sum();
    let pointers = 8 * (command.args.len() + environment.inherited.len() + sizes.len());
    let total = (inherited + arguments + bound + pointers) as u64;
    if total <= LEAST {
        return Ok(());
    }
    let limit = stack().map_or(MOST, |stack| (stack / 4).min(MOST)).max(LEAST);
    if total <= limit {
        return Ok(());
    }
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let biggest: Vec<String> = sizes.iter().take(5).map(|(name, size)| format!("{name} ({size})")).collect();
    Err(Failure::new(Exit::DataErr, format!("the environment is too large: {total} bytes, of at most {limit}"))
        .detail(format!("fetched: {} in {bound} bytes; inherited: {inherited}; arguments: {arguments}", count(sizes.len(), "variable")))
        .detail(format!("the biggest: {}", biggest.join(", ")))
        .help("raise the stack limit (ulimit -s, LimitSTACK=), of which it is a quarter, or hand big values over as [files]"))
}

/// The length of `NAME=value` with its NUL.
fn size(binding: &Binding) -> usize {
    let value = match binding.target {
        Target::Environment => binding.value.len(),
        Target::File { .. } => "/proc/self/fd/12345".len(),
    };
    binding.variable.as_str().len() + value + 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::EnvName;
    use crate::secret::Secret;
    use std::rc::Rc;

    fn environment(values: &[usize]) -> Environment {
        let binding = |(at, length): (usize, &usize)| Binding {
            variable: EnvName::new(&format!("V{at:03}")).expect("good"),
            target: Target::Environment,
            value: Value::Fetched(Rc::new(Secret::new("x".repeat(*length)))),
            replaces_itself: false,
        };
        Environment { inherited: vec![], bindings: values.iter().enumerate().map(binding).collect() }
    }

    fn verdict(values: &[usize], stack: Option<u64>) -> Result<(), String> {
        let command = Command { path: "/bin/true".into(), args: vec!["true".into()] };
        fits(&command, &environment(values), || stack).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_kernel_s_limits() {
        let eight_mib = Some(8 * 1024 * 1024);
        assert_eq!(verdict(&[4096; 500], eight_mib), Ok(()));
        let refused = verdict(&[4096; 511], eight_mib).expect_err("over 2 MiB");
        assert!(refused.contains("of at most 2097152") && refused.contains("V000 (4102)"), "{refused}");
        assert!(verdict(&[4096; 100], Some(1024 * 1024)).is_err(), "a quarter of 1 MiB");
        assert_eq!(verdict(&[4096; 1400], None), Ok(()), "6 MiB when unlimited");
        assert_eq!(verdict(&[131_066], None), Ok(()), "131,071 bytes and the NUL");
        assert!(verdict(&[131_067], None).is_err());
    }

    #[test]
    fn commands_are_found_as_execvp_finds_them() {
        let find_in =
            |name: &str, path: &str| find(vec![name.into()], Some(OsStr::new(path))).map_err(|failure| failure.exit);
        assert_eq!(find_in("sh", "/nowhere:/bin").expect("there").path, "/bin/sh");
        assert_eq!(find_in("no-such-command", "/bin").expect_err("none"), Exit::NotFound);
        assert_eq!(find_in("/bin", "").expect_err("a directory"), Exit::CannotExecute);
        assert_eq!(find_in("/etc/passwd", "").expect_err("not executable"), Exit::CannotExecute);
        assert_eq!(find_in("/etc/passwd/x", "").expect_err("no directory"), Exit::NotFound);
        assert_eq!(find_in("", "/bin").expect_err("empty"), Exit::NotFound);
        assert_eq!(find(vec!["sh".into()], None).expect("the default path").path, "/bin/sh");
    }
}
