//! `[files]`: the variable holds a path that opens to the value, which lies in sealed memory.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Stdio};

use fake_aws::Fake;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::common::{Given, Ran, TempFile, is_root, program, stepzero, store};

fn world() -> Fake {
    store(&[("/key", "-----BEGIN KEY-----\nx\n"), ("/binary", "AAEC/w=="), ("/nul", "a\0b")])
}

const KEY: &str = "[files]\nTLS_KEY_FILE = { parameter = \"/key\" }\n";

fn run(fake: &Fake, spec: &str, command: &[&str]) -> Ran {
    Given::spec(spec).run(fake, "exec", &[&["--"], command].concat())
}

/// A command that prints what the variable holds, and then lives until its input ends.
struct Living {
    child: Child,
    path: String,
    _spec: TempFile,
}

impl Living {
    fn start(fake: &Fake, spec: &str, name: &str) -> Self {
        let spec = TempFile::spec(spec);
        let script = format!("echo \"${name}\"; exec cat");
        let mut command = stepzero(fake, ["exec", "-s", &spec.arg(), "--", "sh", "-c", &script]).command();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut path = String::new();
        let mut reader = BufReader::new(child.stdout.as_mut().expect("it is piped"));
        reader.read_line(&mut path).expect("it prints a line");
        Living { child, path: path.trim_end().to_owned(), _spec: spec }
    }

    /// The descriptor as seen from here.
    fn outside(&self) -> String {
        self.path.replace("self", &self.child.id().to_string())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[test]
fn sealed_memory_named_after_the_variable() {
    let fake = world();
    let living = Living::start(&fake, KEY, "TLS_KEY_FILE");
    let outside = living.outside();
    let link = std::fs::read_link(&outside).expect("the descriptor is open");
    assert_eq!(link.to_string_lossy(), "/memfd:TLS_KEY_FILE (deleted)");
    let mut file = std::fs::File::open(&outside).expect("root may");
    assert_eq!(file.metadata().expect("open").mode() & 0o7777, 0o400);
    let mut content = String::new();
    file.read_to_string(&mut content).expect("readable");
    assert_eq!(content, "-----BEGIN KEY-----\nx\n", "no byte added, none taken");
    let seals = SealFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GET_SEALS).expect("a memfd"));
    let all = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    assert!(seals.contains(all), "{seals:?}");
    // Where the kernel has MFD_NOEXEC_SEAL, it was used.
    let flags = nix::sys::memfd::MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    if nix::sys::memfd::memfd_create(c"probe", flags).is_ok() {
        assert!(seals.bits() & libc::F_SEAL_EXEC != 0, "{seals:?}");
    }
    assert!(
        std::fs::OpenOptions::new()
            .write(true)
            .open(&outside)
            .and_then(|mut file| std::io::Write::write(&mut file, b"x"))
            .is_err()
    );
}

#[test]
fn its_descriptor_stays_clear_of_the_shell_s_and_of_socket_activation_s() {
    let fake = world();
    let number = |env: &[(&str, &str)]| {
        let path = Given::spec(KEY).and_env(env).environment(&fake).remove("TLS_KEY_FILE").expect("set");
        path.strip_prefix("/proc/self/fd/").expect("a descriptor").parse::<u32>().expect("a number")
    };
    assert!(number(&[]) >= 10);
    assert!(number(&[("LISTEN_FDS", "20")]) >= 23);
    assert!(number(&[("LISTEN_FDS", "garbage")]) >= 10);
    assert!(number(&[("LISTEN_FDS", "-5")]) >= 10);
}

#[test]
fn nothing_else_is_inherited() {
    let fake = world();
    let list = "exec ls -1 /proc/self/fd";
    let open = |ran: Ran| ran.stdout().lines().filter_map(|line| line.parse::<u32>().ok()).collect::<Vec<_>>();
    let through = open(run(&fake, KEY, &["sh", "-c", list]).expect(0));
    let bare = open(Ran::of(program("sh").args(["-c", list])));
    let more: Vec<&u32> = through.iter().filter(|number| !bare.contains(number)).collect();
    assert!(more.len() == 1 && *more[0] >= 10 && through.len() == bare.len() + 1, "{through:?}, bare {bare:?}");
}

#[test]
fn a_child_of_the_command_reads_it_and_so_does_a_second_one() {
    let fake = world();
    let script = "cat \"$TLS_KEY_FILE\"; sh -c 'cat \"$TLS_KEY_FILE\"'; head -c 10 < \"$TLS_KEY_FILE\"";
    let twice = "-----BEGIN KEY-----\nx\n-----BEGIN KEY-----\nx\n-----BEGIN";
    run(&fake, KEY, &["sh", "-c", script]).prints(twice);
}

#[test]
fn binary_values_and_nul_bytes() {
    let fake = world();
    let spec = "[files]\nB = { parameter = \"/binary\", decode = \"base64\" }\nN = { parameter = \"/nul\" }\n";
    let ran = run(&fake, spec, &["sh", "-c", "cat \"$B\" \"$N\""]);
    assert_eq!(ran.expect(0).output.stdout, [0, 1, 2, 255, b'a', 0, b'b']);
    // In the environment the same value is refused, and the way out is said.
    run(&fake, "[env]\nN = { parameter = \"/nul\" }\n", &["env"]).expect(65).says(&["NUL", "[files]"]);
}

#[test]
fn a_command_that_drops_root_and_opens_it_late_needs_a_mode() {
    if !is_root("dropping root", "not root") {
        return;
    }
    let fake = world();
    let late = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", "cat \"$TLS_KEY_FILE\""];
    assert_ne!(run(&fake, KEY, &late).code(), 0, "0400 is for the user that started it");
    let open = KEY.replace("/key\"", "/key\", mode = \"0444\"");
    assert!(run(&fake, &open, &late).expect(0).stdout().starts_with("-----BEGIN"));
    // What was opened before the drop stays readable.
    let early =
        ["sh", "-c", "exec 3< \"$TLS_KEY_FILE\"; exec setpriv --reuid=65534 --regid=65534 --clear-groups cat <&3"];
    assert!(run(&fake, KEY, &early).expect(0).stdout().starts_with("-----BEGIN"));
}

#[test]
fn modes_only_grant_reading() {
    let fake = world();
    for mode in ["0600", "0777", "0044", "abc", "", "00400", "400 ", "0o400", "+400"] {
        let spec = format!("[files]\nA = {{ parameter = \"/key\", mode = \"{mode}\" }}\n");
        run(&fake, &spec, &["env"]).expect(78).says(&["`mode` is octal"]);
    }
    for mode in ["0400", "440", "0444"] {
        run(&fake, &format!("[files]\nA = {{ parameter = \"/key\", mode = \"{mode}\" }}\n"), &["env"]).expect(0);
    }
    run(&fake, "[env]\nA = { parameter = \"/key\", mode = \"0400\" }\n", &["env"])
        .expect(78)
        .says(&["unknown key `mode`"]);
}

#[test]
fn a_default_an_empty_value_and_many_files() {
    let fake = world();
    fake.put("/json", "SecureString", "{\"empty\":\"\"}");
    let mut spec = "scopes = [\"none\"]\n[files]\nD = { key = \"none\", default = \"text\" }\nE = { parameter = \"/json\", json = \"empty\" }\n".to_owned();
    for n in 0..40 {
        spec += &format!("K{n} = {{ parameter = \"/key\" }}\n");
    }
    let ran = run(&fake, &spec, &["sh", "-c", "cat \"$D\"; wc -c < \"$E\"; cat \"$K0\" \"$K39\" | wc -l"]).expect(0);
    assert_eq!(ran.stdout().split_whitespace().collect::<Vec<_>>(), ["text0", "4"]);
    assert_eq!(fake.calls("GetParameters").len(), 1, "one name, however many files");
}

#[test]
fn a_value_that_is_too_large_for_a_variable_fits_a_file() {
    let fake = world();
    fake.put("/large", "SecureString", &"x".repeat(200_000));
    run(&fake, "[env]\nL = { parameter = \"/large\" }\n", &["env"]).expect(65).says(&["L is too large", "[files]"]);
    let ran = run(&fake, "[files]\nL = { parameter = \"/large\" }\n", &["sh", "-c", "wc -c < \"$L\""]);
    assert_eq!(ran.expect(0).stdout().trim(), "200000");
}
