//! What an exec hands on and /proc does not tell: descriptors, closed ones included, and the smaller attributes of a
//! process. A program in C looks, because every shell and runtime opens descriptors of its own.

use crate::support::{compiled, fake};
use crate::transparency::{Prepare, both, check};

use nix::libc;

use crate::common::Directory;

/// Where the probe writes: a copy of standard output, which can then be closed.
const OUT: i32 = 62;

const PROBE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#define SAY(...) dprintf(62, __VA_ARGS__)
int main(void) {
    for (int fd = 0; fd < 64; fd++) {
        struct stat file;
        int flags = fcntl(fd, F_GETFD);
        if (flags == -1) { SAY("%d closed\n", fd); continue; }
        fstat(fd, &file);
        SAY("%d %d %o %o %lx at %ld\n", fd, flags, fcntl(fd, F_GETFL), file.st_mode, file.st_rdev,
            S_ISREG(file.st_mode) ? (long)lseek(fd, 0, SEEK_CUR) : 0);
    }
    int signal = 0, reaper = 0;
    prctl(PR_GET_PDEATHSIG, &signal);
    prctl(PR_GET_CHILD_SUBREAPER, &reaper);
    SAY("dies with its parent %d, reaper %d\n", signal, reaper);
    SAY("dumpable %d, kept capabilities %d, securebits %d\n", prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS),
        prctl(PR_GET_SECUREBITS));
    SAY("huge pages off %d, timer slack %d, poison %d\n", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0),
        prctl(PR_GET_TIMERSLACK), prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    SAY("io priority %ld, scheduler %d\n", syscall(SYS_ioprio_get, 1, 0), sched_getscheduler(0));
    struct itimerval timer;
    getitimer(ITIMER_REAL, &timer);
    SAY("alarm %d every %ld s\n", timer.it_value.tv_sec > 0, (long)timer.it_interval.tv_sec);
    return 0;
}
"#;

fn probe(directory: &Directory) -> String {
    compiled(directory, "probe", PROBE, &[]).to_string_lossy().into_owned()
}

/// The descriptors 0 to 63: what they lead to, and their flags. Every third is closed, and of 0, 1 and 2 every combination.
#[test]
fn descriptors_are_handed_on_as_they_are() {
    let (fake, directory) = (fake(), Directory::open());
    let probe = probe(&directory);
    let some: Prepare = |closed| {
        // SAFETY: async-signal-safe calls; these descriptors belong to nobody after the exec.
        unsafe {
            check(libc::dup2(1, OUT))?;
            for descriptor in 3..64 {
                if descriptor == OUT {
                    continue;
                }
                if descriptor % 3 == 0 {
                    libc::close(descriptor);
                    continue;
                }
                let (path, access) = match descriptor % 4 {
                    0 => (c"/etc/passwd", libc::O_RDONLY),
                    1 => (c"/dev/zero", libc::O_RDONLY),
                    _ => (c"/dev/null", libc::O_RDWR | libc::O_APPEND | libc::O_NONBLOCK),
                };
                let opened = libc::open(path.as_ptr(), access);
                check(opened)?;
                if opened != descriptor {
                    check(libc::dup2(opened, descriptor))?;
                    libc::close(opened);
                }
                // A place in the file that is not its beginning. A device has none.
                libc::lseek(descriptor, i64::from(descriptor), libc::SEEK_SET);
            }
            for descriptor in 0..3 {
                if closed & (1 << descriptor) != 0 {
                    libc::close(descriptor);
                }
            }
        }
        Ok(())
    };
    for closed in 0b000..=0b111 {
        let [bare, wrapped] = both(&fake, &[&probe], closed, some);
        for number in 0..3 {
            let is_closed = bare.lines().any(|line| line == format!("{number} closed"));
            assert_eq!(is_closed, closed & (1 << number) != 0, "the control: {bare}");
        }
        assert!(bare.contains("\n3 closed\n") && bare.contains(" at 4\n"), "the control: {bare}");
        assert_eq!(bare, wrapped, "closed {closed:03b}");
    }
}

#[test]
fn smaller_attributes_are_handed_on_as_they_are() {
    let (fake, directory) = (fake(), Directory::open());
    let probe = probe(&directory);
    let plain: Prepare = |_| {
        // SAFETY: as above.
        unsafe { check(libc::dup2(1, OUT)).map(|_| ()) }
    };
    let strange: Prepare = |_| {
        // SAFETY: as above. The best-effort class of I/O, at its lowest (ioprio_set(2)).
        unsafe {
            check(libc::dup2(1, OUT))?;
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR2, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_TIMERSLACK, 70_000, 0, 0, 0))?;
            check(libc::syscall(libc::SYS_ioprio_set, 1, 0, 2 << 13 | 7) as libc::c_int)?;
            let batch = libc::sched_param { sched_priority: 0 };
            check(libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const batch))?;
            let (every, first) =
                (libc::timeval { tv_sec: 500, tv_usec: 0 }, libc::timeval { tv_sec: 1000, tv_usec: 0 });
            let timer = libc::itimerval { it_interval: every, it_value: first };
            check(libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()))
        }
    };
    let ordinary = both(&fake, &[&probe], 0, plain);
    let [bare, wrapped] = both(&fake, &[&probe], 0, strange);
    for control in ["dumpable 1", "parent 12", "alarm 1 every 500 s", "scheduler 3", "huge pages off 1"] {
        assert!(bare.contains(control), "the control: {control} in {bare}");
        assert!(control == "dumpable 1" || !ordinary[0].contains(control), "the control: {control}");
    }
    assert_eq!(ordinary[0], ordinary[1]);
    assert_eq!(bare, wrapped);
}
