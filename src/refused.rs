//! The names of variables that a loaded path may not choose: a program is loaded, run, or made to trust somebody by
//! them. Who may write one parameter under the path would otherwise run code. No such list can be complete; `only` in
//! the spec is what bounds a load. `docs/field-bugs.md` has the same table (a test compares them).
#![forbid(unsafe_code)]

/// Families of names and why they are refused. A star at the end or at the beginning stands for any text.
/// Sources: glibc's `unsecvars.h`, sudo's `initial_badenv_table`, ld.so(8), bash(1), systemd.exec(5), and the manuals of
/// the runtimes and tools that are named.
pub const TABLE: &[(&[&str], &str)] = &[
    (&["LD_*", "DYLD_*"], "the dynamic linker loads libraries from where they say, before `main`"),
    (
        &["GLIBC_TUNABLES", "MALLOC_*", "GCONV_PATH", "GETCONF_DIR", "LOCPATH", "NLSPATH", "PATH_LOCALE", "TZDIR"],
        "the C library is tuned (CVE-2023-4911), or loads converters, locales and catalogues",
    ),
    (&["RES_OPTIONS", "RESOLV_*", "HOSTALIASES", "LOCALDOMAIN", "NIS_PATH"], "names resolve to other hosts"),
    (&["TMPDIR", "TMP", "TEMP", "TEMPDIR", "TMPPREFIX"], "where programs write and trust temporary files"),
    (&["PATH", "IFS", "CDPATH", "SHELL"], "which program a name starts, and how a shell splits its words"),
    (&["HOME", "XDG_*"], "where programs look for their configuration and their plug-ins"),
    (
        &[
            "BASH*",
            "SHELLOPTS",
            "PS4",
            "PROMPT_COMMAND",
            "GLOBIGNORE",
            "ZDOTDIR",
            "FPATH",
            "NULLCMD",
            "READNULLCMD",
            "INPUTRC",
        ],
        "shells run them: a file, a function (CVE-2014-6271), an expansion",
    ),
    (
        &["*EDITOR", "VISUAL", "*PAGER", "BROWSER", "LESS", "LESSOPEN", "LESSCLOSE", "LESSKEY*", "MORE", "*VIMINIT"],
        "other programs start them, or run the commands in them",
    ),
    (&["EXINIT", "*_ASKPASS", "*_RSH", "TAR_OPTIONS", "MAKEFLAGS"], "tools run the commands in them"),
    (&["TERMINFO*", "TERMCAP", "TERMPATH"], "terminal descriptions are read from where they say"),
    (
        &["NODE_*", "NPM_CONFIG_*", "YARN_*", "PNPM_*", "BUN_*", "DENO_*", "TS_NODE_*"],
        "node loads modules, or trusts others",
    ),
    (&["PYTHON*", "IPYTHONDIR", "PIP_*", "GUNICORN_*", "FLASK_APP"], "python loads modules or runs a command"),
    (&["PERL*"], "perl runs options and loads modules"),
    (&["RUBY*", "GEM_*", "BUNDLE_*", "BUNDLER_*", "IRBRC"], "ruby runs options and loads libraries"),
    (
        &["JAVA_*", "_JAVA_*", "JDK_*", "CLASSPATH", "*_OPTS", "LOG4J_*"],
        "a JVM takes options from them, `-javaagent` included, or loads classes",
    ),
    (
        &["DOTNET_*", "COR_*", "CORECLR_*", "COMPLUS_*", "ASPNETCORE_HOSTINGSTARTUP*"],
        ".NET loads assemblies and profilers",
    ),
    (&["PHPRC", "PHP_*", "COMPOSER_*"], "PHP reads another php.ini, which names code to run"),
    (
        &["LUA_*", "ERL_*", "ELIXIR_*", "GUILE_*", "JULIA_*", "OCAMLRUNPARAM", "CAML_LD_LIBRARY_PATH"],
        "interpreters load code from where they say, or run what they hold",
    ),
    (
        &["R_PROFILE*", "R_ENVIRON*", "R_HOME", "R_LIBS*", "R_DEFAULT_PACKAGES"],
        "R runs a profile and loads packages from where they say",
    ),
    (
        &["GODEBUG", "GOFLAGS", "GOROOT", "GOPATH", "GOPROXY"],
        "Go's checks are switched off, or its tool runs a program",
    ),
    (
        &["GIT_*", "HGRCPATH", "SVN_SSH", "SSH_AUTH_SOCK", "SSH_SK_*"],
        "version control and ssh run programs from them, or read configuration that names some",
    ),
    (
        &[
            "OPENSSL_*",
            "SSL_CERT_*",
            "*_CA_BUNDLE",
            "CURL_*",
            "GNUTLS_*",
            "HTTPLIB2_CA_CERTS",
            "P11_KIT_*",
            "SOFTHSM2_CONF",
        ],
        "engines and modules are loaded, and other authorities are trusted",
    ),
    (
        &["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "SSLKEYLOGFILE"],
        "other authorities are trusted, or the keys of TLS are written down",
    ),
    (&["*_PROXY", "WGETRC", "NETRC"], "traffic goes through somebody else, or as somebody else"),
    (
        &[
            "KRB5*",
            "SASL_*",
            "LDAPCONF",
            "LDAPRC",
            "ODBCINI",
            "ODBCSYSINI",
            "PGSERVICEFILE",
            "PGSYSCONFDIR",
            "PGSSLKEY",
        ],
        "client libraries load modules, or configuration that names some",
    ),
    (
        &[
            "MYSQL_HOME",
            "LIBMYSQL_*",
            "TNS_ADMIN",
            "ORACLE_HOME",
            "GIO_*",
            "GST_PLUGIN*",
            "GTK_*",
            "QT_*",
            "MAGICK_*",
            "GDAL_DRIVER_PATH",
        ],
        "libraries load plug-ins, or configuration that names some",
    ),
    (
        &[
            "KUBECONFIG",
            "KUBERNETES_*",
            "DOCKER_HOST",
            "DOCKER_CONFIG",
            "DOCKER_CONTEXT",
            "DOCKER_CERT_PATH",
            "DOCKER_TLS*",
            "DOCKER_CLI_*",
            "HELM_*",
            "CLOUDSDK_*",
            "ANSIBLE_*",
            "TF_CLI_*",
            "TERRAFORM_CONFIG",
        ],
        "a cluster, an engine or a cloud is somebody else, or a plug-in is run",
    ),
    (
        &["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_EXTERNAL_ACCOUNT_*", "AZURE_CONFIG_DIR"],
        "credentials come from a file, which can name a program to run",
    ),
    (
        &[
            "AWS_PROFILE",
            "AWS_DEFAULT_PROFILE",
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_CREDENTIAL_FILE",
            "BOTO_CONFIG",
        ],
        "a profile can name a `credential_process`, which is run",
    ),
    (
        &[
            "AWS_CONTAINER_*",
            "AWS_WEB_IDENTITY_*",
            "AWS_ROLE_*",
            "AWS_EC2_METADATA_*",
            "AWS_METADATA_*",
            "AWS_LOGIN_*",
            "AWS_STS_*",
        ],
        "the program becomes somebody else, or tells somebody else who it is",
    ),
    (
        &["AWS_ENDPOINT_*", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_*", "AWS_CSM_*"],
        "AWS is somebody else, or calls go another way",
    ),
    (
        &["AWS_DATA_PATH", "AWS_SDK_*", "AWS_LAMBDA_*", "AWS_CLI_*"],
        "an SDK or a runtime loads models, configuration or a wrapper",
    ),
    (
        &[
            "LISTEN_*",
            "NOTIFY_SOCKET",
            "WATCHDOG_*",
            "MAINPID",
            "FDSTORE",
            "SYSTEMD_*",
            "JOURNAL_STREAM",
            "DBUS_*",
            "NGINX",
        ],
        "they speak for the supervisor: descriptors, sockets, buses",
    ),
    (
        &[
            "CREDENTIALS_DIRECTORY",
            "CONFIGURATION_DIRECTORY",
            "RUNTIME_DIRECTORY",
            "STATE_DIRECTORY",
            "CACHE_DIRECTORY",
            "LOGS_DIRECTORY",
            "MEMORY_PRESSURE_*",
        ],
        "the supervisor says where credentials, configuration, state and what it watches are",
    ),
    (
        &[
            "GNUPGHOME",
            "MAILCAPS",
            "PSQLRC",
            "RSYNC_CONNECT_PROG",
            "GS_LIB",
            "GS_OPTIONS",
            "TCLLIBPATH",
            "CARGO_HOME",
            "CARGO_BUILD_*",
            "RUSTC_*",
            "ELECTRON_RUN_AS_NODE",
            "ALSA_CONFIG_*",
            "LIBGL_DRIVERS_PATH",
            "VK_ICD_FILENAMES",
            "VK_DRIVER_FILES",
            "VK_LAYER_PATH",
        ],
        "a tool or a library runs, or loads, what they name",
    ),
    (&["STEPZERO_*"], "a stepzero that the command starts asks for something else"),
];

/// Of those families, what services do keep in the store.
pub const ALLOWED: &[&str] =
    &["NODE_ENV", "NODE_AUTH_TOKEN", "YARN_NPM_AUTH_TOKEN", "COMPOSER_AUTH", "DOTNET_ENVIRONMENT"];

/// Why a loaded path may not set this variable; `None` when it may. Case does not count: some programs read either.
pub fn reason(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    if ALLOWED.contains(&name.as_str()) {
        return None;
    }
    TABLE.iter().find(|(families, _)| families.iter().any(|family| covers(family, &name))).map(|(_, why)| *why)
}

fn covers(family: &str, name: &str) -> bool {
    match (family.strip_suffix('*'), family.strip_prefix('*')) {
        (Some(start), _) => name.starts_with(start),
        (None, Some(end)) => name.ends_with(end),
        (None, None) => family == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_run_code() {
        let refused = "LD_PRELOAD PATH BASH_FUNC_X__ HTTPS_PROXY AWS_ENDPOINT_URL_SSM SSL_CERT_FILE GIT_CONFIG_COUNT \
            PYTHONWARNINGS BROWSER PERLLIB PERL5LIB AWS_DEFAULT_PROFILE AWS_CONTAINER_CREDENTIALS_FULL_URI \
            AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_EC2_METADATA_SERVICE_ENDPOINT AWS_DATA_PATH OPENSSL_MODULES \
            OPENSSL_ENGINES NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED REQUESTS_CA_BUNDLE CURL_CA_BUNDLE TMP TEMP \
            PYTHONUSERBASE PYTHONBREAKPOINT GIT_ASKPASS DOTNET_STARTUP_HOOKS COR_PROFILER CLASSPATH ZDOTDIR PHPRC \
            PHP_INI_SCAN_DIR LUA_INIT ERL_AFLAGS ELIXIR_ERL_OPTIONS GEM_PATH BUNDLE_GEMFILE R_PROFILE_USER \
            GUILE_LOAD_PATH LESSOPEN ASPNETCORE_HOSTINGSTARTUPASSEMBLIES KUBECONFIG NPM_CONFIG_SCRIPT_SHELL HOME \
            XDG_CONFIG_HOME NOTIFY_SOCKET LISTEN_FDS CREDENTIALS_DIRECTORY npm_config_prefix CATALINA_OPTS \
            NULLCMD TMPPREFIX CACHE_DIRECTORY LOGS_DIRECTORY MEMORY_PRESSURE_WATCH DOCKER_HOST DOCKER_TLS_VERIFY \
            GNUPGHOME PSQLRC RUSTC_WRAPPER VK_ICD_FILENAMES";
        for name in refused.split_whitespace() {
            assert!(reason(name).is_some(), "{name}");
        }
    }

    /// What services keep in the store. `ENV` and the first two are the contract's.
    #[test]
    fn ordinary_names_are_taken() {
        let taken = "ENV AWS_ACCESS_KEY_ID AWS_S3_BUCKET AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_REGION \
            AWS_DEFAULT_REGION AWS_SQS_QUEUE_URL PATHS DATABASE_PASSWORD DATABASE_URL DB_HOST PGHOST PGPASSWORD \
            MYSQL_HOST REDIS_URL GITHUB_TOKEN GOOGLE_API_KEY SSH_PRIVATE_KEY NODE_ENV RAILS_ENV DJANGO_SETTINGS_MODULE \
            SPRING_DATASOURCE_URL ASPNETCORE_ENVIRONMENT GRPC_PORT OTEL_EXPORTER_OTLP_ENDPOINT LESSON_ID LOG_LEVEL TZ \
            LANG HOST PORT USER R_AND_D SECRET_KEY_BASE VAULT_TOKEN TF_VAR_X \
            DOCKER_PASSWORD NODE_AUTH_TOKEN COMPOSER_AUTH CARGO_REGISTRY_TOKEN RSYNC_PASSWORD PGSSLMODE VK_TOKEN";
        for name in taken.split_whitespace() {
            assert_eq!(reason(name), None, "{name}");
        }
    }

    #[test]
    fn a_family_is_not_listed_name_by_name() {
        let families: Vec<&str> = TABLE.iter().flat_map(|(families, _)| families.iter().copied()).collect();
        for one in &families {
            let others = families.iter().filter(|other| other != &one);
            let name = one.trim_matches('*');
            let covered = others.filter(|other| !one.starts_with('*') && covers(other, name)).count();
            assert_eq!(covered, 0, "{one} is in another family");
        }
    }
}
