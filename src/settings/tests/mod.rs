//! Configurations people write, right and wrong.

mod files;

use std::time::Duration;

use super::*;

const GOOD: &str = r#"schema = 1
environment = "prod"
[regions.us-central1]
context = "central"
checkpoints = { url = "s3://a/runs" }
database = { url = "postgres://leeward@db-a/argo?sslmode=verify-full", operator = { url = "postgres://op@db-a/argo?sslmode=verify-full" } }
[regions.us-east1]
context = "east"
checkpoints = { url = "s3://b/runs" }
database = { url = "postgres://leeward@db-b/argo?sslmode=verify-full", operator = { url = "postgres://op@db-b/argo?sslmode=verify-full" } }
[dns]
name = "workflows.example.com"
targets = { us-central1 = "192.0.2.10", us-east1 = "198.51.100.10" }
"#;

fn nothing(_: &str) -> Option<String> {
    None
}

fn read(text: &str, overrides: &[&str]) -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
    let overrides: Vec<String> = overrides.iter().map(|set| (*set).to_owned()).collect();
    check_text("c.toml", text, &overrides, Some(Path::new("/etc/leeward")), &nothing)
}

fn good(text: &str) -> Settings {
    match read(text, &[]) {
        Ok((settings, _)) => settings,
        Err(problems) => panic!("{}", said(&problems)),
    }
}

fn said(problems: &[Problem]) -> String {
    problems.iter().map(Problem::headline).collect::<Vec<_>>().join("\n")
}

/// The good text with one piece replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// Warnings but those that are told of every file with checkpoints.
fn others(warnings: Vec<Warning>) -> Vec<Warning> {
    warnings.into_iter().filter(|warning| !warning.0.message.contains("checkpoints: accepted, not used")).collect()
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let (settings, warnings) = read(GOOD, &[]).unwrap();
    assert_eq!(warnings.len(), 2, "one for each region's checkpoints");
    assert_eq!(others(warnings), []);
    assert_eq!(settings.rto_target, Duration::from_secs(900));
    assert_eq!(settings.limits.loss_bytes_max, 1 << 20);
    assert_eq!(settings.regions[0].name, "us-central1");
    assert_eq!(settings.regions[0].controller_namespace, "argo");
    assert_eq!(settings.regions[1].metrics, MetricsSource::Auto);
    assert_eq!(settings.regions[1].database.login.url, "postgres://leeward@db-b/argo?sslmode=verify-full");
    assert_eq!(settings.dns.as_ref().unwrap().provider, DnsProvider::None);
    assert_eq!(settings.state_dir, PathBuf::from("/var/lib/leeward"));
}

#[test]
fn regions_keep_the_order_of_the_file() {
    let text = GOOD.replace("us-central1", "zulu");
    assert_eq!(good(&text).regions.map(|region| region.name), ["zulu", "us-east1"]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "one table")]
fn what_is_wrong_is_said_with_its_place() {
    let table: Vec<(String, &str)> = vec![
        (changed("schema = 1", "schema = 2"), "c.toml:1:10: schema 2 is not known here"),
        (
            changed("\"prod\"", "\"Prod!\""),
            "c.toml:2:15: the environment's name must be 1 to 40 characters of a-z, 0-9 and -",
        ),
        (
            changed("\"prod\"", "\"prod\"\nrto_target = \"15\""),
            "c.toml:3:14: \"rto_target\" in the top level: \"15\" has no unit after 15; write 15s, 15m or 15h",
        ),
        (
            changed("\"prod\"", "\"prod\"\nrto_target = 15"),
            "c.toml:3:14: \"rto_target\" in the top level: a number has no unit; write \"15s\"",
        ),
        (changed("\"prod\"", "\"prod\"\nrpo_target = \"0s\""), "c.toml:3:14: must be longer than zero"),
        (changed("\"prod\"", "\"prod\"\nrpo_target = \"-1m\""), "\"-1m\" is negative"),
        (
            changed("context = \"central\"", "contxt = \"central\""),
            "c.toml:4:1: unknown key \"contxt\" in [regions.us-central1]; did you mean \"context\"?",
        ),
        (
            changed("context = \"east\"", "context = \"central\""),
            "us-central1 and us-east1 have the same context \"central\": they would be one cluster",
        ),
        (changed("leeward@db-b/", "other@db-a:5432/"), "us-central1 and us-east1 have the same database"),
        (
            changed("op@db-b/", "op@db-a/"),
            "the operator login of us-east1 names the database of us-central1: a promotion would hit the wrong server",
        ),
        (
            changed("us-east1 = \"198", "us-est1 = \"198"),
            "c.toml:13:41: a target for the unknown region \"us-est1\"; did you mean \"us-east1\"?",
        ),
        (changed("198.51.100.10", "192.0.2.10"), "both regions have the same target"),
        (changed("192.0.2.10", "lb.example.net"), "a name as target (CNAME) is not supported yet"),
        (changed("192.0.2.10", "192.0.2"), "\"192.0.2\" is no IP address"),
        (changed("us-central1 = \"192.0.2.10\", ", ""), "no target for region \"us-central1\""),
        (
            changed("sslmode=verify-full\", op", "sslmode=verify_full\", op"),
            "no known sslmode \"verify_full\"; did you mean \"verify-full\"?",
        ),
        (
            changed("postgres://leeward@db-a", "mysql://leeward@db-a"),
            "a database URL begins with postgres://, not with mysql:",
        ),
        (changed("leeward@db-a/argo", "leeward@db-a"), "no database in the URL"),
        (changed("leeward@db-a/", "db-a/"), "no user in the URL"),
        (changed("s3://a/runs", "s4://a/runs"), "no known checkpoint store \"s4://\"; did you mean \"s3\"?"),
        (changed("s3://a/runs", "http://a/runs"), "no known checkpoint store \"http://\"; known: s3, gs, az, file"),
        (changed("s3://a/runs", "s3:///runs"), "no bucket"),
        (changed("s3://a/runs", "file://data/runs"), "three slashes"),
        (
            changed("context = \"east\"", "context = \"east\"\ncontroller = { metrics = \"atuo\" }"),
            "did you mean \"auto\"?",
        ),
        (
            changed("context = \"east\"", "context = \"east\"\ncontroller = { metrics = \"ftp://x\" }"),
            "a URL of scheme \"ftp\"",
        ),
        (
            changed("context = \"east\"", "context = \"east\"\ncontroller = { metrics = \"http://\" }"),
            "not a URL: empty host",
        ),
        (
            changed("context = \"east\"", "context = \"east\"\nnamespaces = [\"ml\", \"Bad_One\"]"),
            "c.toml:9:21: \"Bad_One\" can't be the name of a namespace in Kubernetes",
        ),
        (
            changed("[dns]", "[notify]\npagerduty = { routing_key_file = \"/x\" }\n[dns]"),
            "[notify] pagerduty is not supported yet",
        ),
        (changed("[dns]", "[notify]\nwebhook = { url = \"hooks\" }\n[dns]"), "a webhook needs an http or https URL"),
        (
            changed("[dns]", "[notify]\nwebhook = { ulr = \"https://h/\" }\n[dns]"),
            "unknown key \"ulr\" in [notify.webhook]; did you mean \"url\"?",
        ),
        (
            changed("[dns]", "[notify]\nwebhook = 5\n[dns]"),
            "\"webhook\" in [notify] must be a table or a list of tables, not the integer 5",
        ),
        (changed("[dns]", "[canary]\nnamespace = \"ml\"\n[dns]"), "[canary] needs template"),
        (
            changed("[dns]", "[canary]\nnamespace = \"ml\"\ntemplate = \"a\"\nimage = \"b\"\n[dns]"),
            "both template and image",
        ),
        (changed("[dns]", "[intervals]\nprobe = \"10ms\"\n[dns]"), "must be between 500ms and 1h"),
        (changed("[dns]", "[limits]\nloss_bytes_max = \"1M\"\n[dns]"), "unknown unit \"M\""),
        (changed("[dns]", "[dns]\nprovider = \"rfc2137\""), "no known DNS provider; did you mean \"rfc2136\"?"),
        (changed("[dns]", "[dns]\nprovider = \"route53\""), "DNS provider route53 is not supported yet"),
        (changed("[dns]", "[dns]\nprovider = \"rfc2136\""), "needs server"),
        (
            changed("[dns]", "[dns]\nprovider = \"rfc2136\"\nserver = \"ns:0\"\nzone = \"example.com\""),
            "has no port between 1 and 65535",
        ),
        (
            changed("[dns]", "[dns]\nprovider = \"rfc2136\"\nserver = \"ns\"\nzone = \"example.org\""),
            "workflows.example.com is not in the zone example.org",
        ),
        (
            changed(
                "[dns]",
                "[dns]\nprovider = \"rfc2136\"\nserver = \"ns\"\nzone = \"example.com\"\ntsig_name = \"k\"",
            ),
            "tsig_name needs tsig_secret_file too",
        ),
        (
            changed(
                "[dns]",
                "[dns]\ntsig_algorithm = \"hmac-md5\"\nprovider = \"rfc2136\"\nserver = \"ns\"\nzone = \"example.com\"",
            ),
            "too weak",
        ),
        (changed("[dns]", "[dns]\nprovider = \"command\""), "needs command"),
        (
            changed(
                ", operator = { url = \"postgres://op@db-b",
                ", promote = \"patroni\", operator = { url = \"postgres://op@db-b",
            ),
            "promotion by patroni is not supported yet",
        ),
        (
            changed(
                ", operator = { url = \"postgres://op@db-b",
                ", promote = \"pgpromote\", operator = { url = \"postgres://op@db-b",
            ),
            "did you mean \"pg_promote\"?",
        ),
        ("schema = 1\nenvironment = \"x\"\n".to_owned(), "missing key \"regions\" in the top level"),
        ("schema = 1\nenvironment = \"x\"\n[regions]\n".to_owned(), "no region; exactly two are needed"),
        (
            GOOD.split("[regions.us-east1]").next().unwrap().to_owned(),
            "only one region, \"us-central1\"; exactly two are needed",
        ),
        (
            changed("[dns]", "[regions.eu]\ncontext = \"eu\"\ndatabase = { url = \"postgres://l@db-c/argo\" }\n[dns]"),
            "c.toml:11:10: \"eu\" is one region too many",
        ),
    ];
    for (text, wanted) in table {
        match read(&text, &[]) {
            Ok(_) => panic!("accepted, wanted {wanted}:\n{text}"),
            Err(problems) => assert!(said(&problems).contains(wanted), "wanted\n{wanted}\ngot\n{}", said(&problems)),
        }
    }
}

#[test]
fn all_problems_are_said_at_once() {
    let text = changed("\"prod\"", "\"P\"")
        .replace("s3://a/runs", "x://a")
        .replace("name = \"workflows", "name = \"-workflows");
    assert_eq!(read(&text, &[]).unwrap_err().len(), 3);
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let table = [
        (
            changed(", operator = { url = \"postgres://op@db-b/argo?sslmode=verify-full\" }", ""),
            "no operator login for the database of us-east1",
        ),
        (changed("leeward@db-a/argo?sslmode=verify-full", "leeward@db-a/argo"), "does not prove its name"),
        (changed("op@db-a/", "op@db-x/"), "names another server or database"),
        (changed("s3://b/runs", "s3://a/runs"), "nothing is compared"),
        (changed("[dns]", "[dns]\nserver = \"ns:53\""), "\"server\" has no effect with provider \"none\""),
        (changed("[dns]", "[dns]\nprovider = \"rfc2136\"\nserver = \"ns\"\nzone = \"example.com\""), "no TSIG key"),
        (changed("[dns]", "[approval]\napprovers = [\"ann\"]\n[dns]"), "nobody can be the second person"),
        (
            changed("[dns]", "[approval]\napprovers = [\"ann\", \"bob\"]\n[dns]"),
            "approvers: accepted, not used by this version",
        ),
        (GOOD.to_owned(), "checkpoints: accepted, not used by this version"),
        (
            changed("[dns]", "[dns]\nprovider = \"command\"\ncommand = [\"switch\"]"),
            "provider \"command\": accepted, not used by this version",
        ),
        (changed("[dns]", "[dns]\ntsig_algorithm = \"hmac-sha512\""), "\"tsig_algorithm\" has no effect"),
    ];
    for (text, wanted) in table {
        let (_, warnings) = read(&text, &[]).unwrap_or_else(|problems| panic!("{}", said(&problems)));
        let warning = warnings.iter().find(|w| w.to_string().contains(wanted));
        let warning = warning.unwrap_or_else(|| panic!("wanted {wanted}, got {warnings:?}"));
        // One is about several lines at once.
        assert!(warning.0.line > 0 || wanted.starts_with("nobody"), "{warning}: where?");
    }
}

#[test]
fn loopback_databases_need_no_certificate() {
    for host in ["127.0.0.1:5433", "localhost", "[::1]:5432"] {
        let text = changed("leeward@db-a/argo?sslmode=verify-full", &format!("leeward@{host}/argo"))
            .replace("op@db-a/argo?sslmode=verify-full", &format!("op@{host}/argo"));
        assert_eq!(others(read(&text, &[]).unwrap().1), [], "{host}");
    }
    let socket = changed("//leeward@db-a/argo?sslmode=verify-full", "///argo?host=/run/postgresql&user=leeward")
        .replace("//op@db-a/argo?sslmode=verify-full", "///argo?host=/run/postgresql&user=op");
    assert_eq!(others(read(&socket, &[]).unwrap().1), []);
}

#[test]
fn overrides_change_single_values() {
    let (settings, _) = read(GOOD, &["regions.us-east1.context=blue", "read_only=true", "rto_target=20m"]).unwrap();
    assert_eq!((settings.regions[1].context.as_str(), settings.read_only), ("blue", true));
    assert_eq!(settings.rto_target, Duration::from_secs(1200));
    let (settings, _) =
        read(GOOD, &["regions.us-east1.namespaces=[\"ml\", \"serving\"]", "limits.loss_bytes_max=2MiB"]).unwrap();
    assert_eq!(settings.regions[1].namespaces, ["ml", "serving"]);
    assert_eq!(settings.limits.loss_bytes_max, 2 << 20);
    let (settings, _) =
        read(GOOD, &["regions.\"us-east1\".context = 'blue sky'", "environment=a", "environment=b"]).unwrap();
    assert_eq!((settings.regions[1].context.as_str(), settings.environment.as_str()), ("blue sky", "b"));
    let (settings, _) = read(GOOD, &["dns.targets.us-east1=203.0.113.9"]).unwrap();
    assert_eq!(settings.dns.unwrap().targets[1].1, std::net::IpAddr::from([203, 0, 113, 9]));
}

#[test]
fn a_bad_override_names_itself() {
    let table = [
        (
            "regions.us-east1.contxt=blue",
            "--set:1:18: unknown key \"contxt\" in [regions.us-east1]; did you mean \"context\"?",
        ),
        ("read_only=maybe", "--set:1:11: \"read_only\" in the top level must be true or false, not a string"),
        ("rto_target=15", "--set:1:12: \"rto_target\" in the top level: a number has no unit"),
        ("rto_target=1x", "--set:1:12: \"rto_target\" in the top level: \"1x\" has the unknown unit"),
        ("environment=A", "--set:1:13: the environment's name must be"),
        ("environment", "--set:1:1: a setting is given as path=value"),
        ("=x", "--set:1:1: this is no path of a setting"),
        ("a..b=x", "--set:1:1: this is no path of a setting"),
        ("a[0]=x", "--set:1:1: this is no path of a setting"),
        ("environment.x=1", "--set:1:1: \"environment\" in the top level must be a string, not a table"),
        (
            "dns.targets.us-est1=192.0.2.1",
            "--set:1:13: a target for the unknown region \"us-est1\"; did you mean \"us-east1\"?",
        ),
        ("regions.us-east1.context=central", "--set:1:26: us-central1 and us-east1 have the same context"),
        (
            "regions.us-est1={ context = \"x\", database = { url = \"postgres://l@c/argo\" } }",
            "--set:1:9: \"us-est1\" is one region too many",
        ),
    ];
    for (set, wanted) in table {
        let problems = read(GOOD, &["read_only=true", set]).unwrap_err();
        assert!(said(&problems).contains(wanted), "for {set} wanted\n{wanted}\ngot\n{}", said(&problems));
    }
    let shown = read(GOOD, &["regions.us-est1.context=x"]).unwrap_err();
    assert!(said(&shown).starts_with("--set:1:"), "{}", said(&shown));
}

#[test]
fn passwords_leave_the_url_and_never_show() {
    for url in [
        "postgres://leeward:h%40nter2@db-a/argo?sslmode=verify-full",
        "postgres://leeward@db-a/argo?sslmode=verify-full&password=h%40nter2",
    ] {
        let text = changed("postgres://leeward@db-a/argo?sslmode=verify-full", url);
        let settings = good(&text);
        let login = &settings.regions[0].database.login;
        assert_eq!(login.url, "postgres://leeward@db-a/argo?sslmode=verify-full");
        assert_eq!(Settings::password(login).unwrap().unwrap().reveal(), "h@nter2");
        let shown = format!("{settings:?}{}", show(&settings));
        assert!(!shown.contains("nter2"), "{shown}");
        assert!(shown.contains("leeward:***@db-a"), "{shown}");
    }
    let both = changed(
        "leeward@db-a/argo?sslmode=verify-full\"",
        "leeward:hunter2@db-a/argo?sslmode=verify-full\", password_file = \"/x\"",
    );
    let problems = read(&both, &[]).unwrap_err();
    assert!(said(&problems).contains("leave one of them out"));
    assert!(!problems.iter().any(|p| format!("{p}{p:?}").contains("hunter2")), "{problems:?}");
    let set = read(GOOD, &["regions.us-east1.database.url=postgres://u:hunter2@h/db?sslmode=x"]).unwrap_err();
    assert!(!set.iter().any(|p| format!("{p}{p:?}").contains("hunter2")), "{set:?}");
}

#[test]
fn paths_are_relative_to_the_file_and_know_the_home_folder() {
    let text = changed("context = \"central\"", "context = \"central\"\nkubeconfig = \"kube/a\"")
        .replace("context = \"east\"", "context = \"east\"\nkubeconfig = \"~/kube\"");
    let env = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
    let overrides = ["state.dir=here".to_owned()];
    let (settings, _) = check_text("c.toml", &text, &overrides, Some(Path::new("/etc/leeward")), &env).unwrap();
    assert_eq!(settings.regions[0].kubeconfig, Some(PathBuf::from("/etc/leeward/kube/a")));
    assert_eq!(settings.regions[1].kubeconfig, Some(PathBuf::from("/home/ann/kube")));
    assert_eq!(settings.state_dir, PathBuf::from("here"));
    let (settings, _) = check_text("c.toml", GOOD, &[], None, &env).unwrap();
    assert_eq!(settings.state_dir, PathBuf::from("/home/ann/.local/state/leeward"));
}

#[test]
fn what_is_shown_is_read_back_to_the_same() {
    let rich = GOOD.replace(
        "[dns]\n",
        "[notify]\nwebhook = [{ url = \"https://h/a\" }, { name = \"b\", url = \"https://h/b\", secret_file = \"/k\" }]\n\
         [canary]\nnamespace = \"ml\"\nimage = \"busybox\"\ncommand = [\"sh\", \"-c\", 'echo \"a\\b\"']\nservice_account = \"sa\"\n\
         [approval]\nbreak_glass = true\napprovers = [\"ann\", \"bob\"]\n[postgres]\nbindir = \"/usr/lib/pg\"\n\
         [dns]\nprovider = \"rfc2136\"\nserver = \"ns1\"\nzone = \"Example.com.\"\ntsig_name = \"k\"\ntsig_secret_file = \"/t\"\nttl = \"90s\"\nresolvers = [\"9.9.9.9\", \"2620:fe::fe\"]\n",
    );
    for text in [GOOD, TEMPLATE, &rich] {
        let settings = good(text);
        let shown = show(&settings);
        let (again, _) = read(&shown, &[]).unwrap_or_else(|problems| panic!("{}\n{shown}", said(&problems)));
        assert_eq!(settings, again, "{shown}");
    }
    let dns = good(&rich).dns.unwrap();
    assert_eq!(dns.resolvers, ["9.9.9.9:53", "[2620:fe::fe]:53"]);
    assert_eq!(dns.servers, ["ns1:53"]);
}

#[test]
fn the_template_is_clean_and_names_every_key() {
    let (settings, warnings) = read(TEMPLATE, &[]).unwrap();
    assert_eq!(warnings, [], "a new user must not begin with warnings");
    // The template writes the defaults out; a file without them must come to the same.
    let short = GOOD.replace("\"prod\"", "\"prod\"\nrto_target = \"15m\"");
    assert_eq!((settings.limits, settings.intervals, settings.approval), {
        let settings = good(&short);
        (settings.limits, settings.intervals, settings.approval)
    });
    // Every key that the reader knows: it lists them itself when it meets one that it does not know.
    let sections = [
        ("zzz = 1\n", ""),
        ("", "regions.us-east1.zzz = 1\n"),
        ("", "regions.us-east1.controller.zzz = 1\n"),
        ("", "regions.us-east1.checkpoints.zzz = 1\n"),
        ("", "dns.zzz = 1\n"),
        ("", "notify.webhook.zzz = 1\n"),
        ("", "canary.zzz = 1\n"),
        ("", "approval.zzz = 1\n"),
        ("", "limits.zzz = 1\n"),
        ("", "intervals.zzz = 1\n"),
        ("", "state.zzz = 1\n"),
        ("", "postgres.zzz = 1\n"),
    ];
    for (top, below) in sections {
        let text = format!("{top}{below}");
        let Err(problem) = crate::domain::problem::parse_toml::<file::File>("c", &text) else { panic!("{text}") };
        let known = problem.message.split("known: ").nth(1).unwrap_or_else(|| panic!("{problem}"));
        for key in known.split(", ") {
            assert!(TEMPLATE.contains(key), "the template does not mention {key} of {text}");
        }
    }
}
