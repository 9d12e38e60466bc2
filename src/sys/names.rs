//! How the static binary resolves names.

/// Lets getaddrinfo(3) use the hosts file and DNS, whatever `/etc/nsswitch.conf` says.
///
/// The shipped binary has glibc inside. For any other name service glibc would load a module of the host's, which needs the
/// host's own glibc: with another version the process dies of a signal. Call it before the first lookup.
///
/// The plain build uses the host's glibc, and so keeps the host's `nsswitch.conf`.
pub fn resolve_by_hosts_file_and_dns() {
    #[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
    {
        use std::ffi::{c_char, c_int};
        unsafe extern "C" {
            fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
        }
        // SAFETY: a function of glibc's nss.h, with this signature. It copies the two strings. No other thread is there yet.
        let failed = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
        assert_eq!(failed, 0, "glibc knows the database and both services");
    }
}
