//! What is read from disk: the configuration itself, kubeconfigs, passwords.

use std::collections::BTreeMap;

use super::*;

#[test]
fn password_files_are_read_when_used() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let read = |path: PathBuf| Settings::password(&Login { url: String::new(), password: PasswordSource::File(path) });
    assert_eq!(read(write("a", b" with space \n")).unwrap().unwrap().reveal(), " with space ");
    assert_eq!(read(write("b", b"x\r\n")).unwrap().unwrap().reveal(), "x");
    assert!(matches!(read(write("c", b"\n")), Err(PasswordError::Empty(_))));
    assert!(matches!(read(write("d", &[b'x'; 5000])), Err(PasswordError::Long(_))));
    assert!(matches!(read(write("e", &[0xff, 0xfe])), Err(PasswordError::Binary(_))));
    let missing = read(folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("none: No such file"), "{missing}");
}

#[test]
fn the_file_is_searched_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let kube = folder.path().join("kube");
    std::fs::write(&kube, "apiVersion: v1\nkind: Config\ncontexts:\n- name: central\n  context: {cluster: a, user: a}\n- name: east\n  context: {cluster: b, user: a}\n").unwrap();
    let kube = kube.display().to_string();
    let place = |name: &str, environment: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, GOOD.replace("\"prod\"", &format!("\"{environment}\""))).unwrap();
        path
    };
    let given = place("given.toml", "given");
    let named = place("named.toml", "named").display().to_string();
    place("xdg/leeward/config.toml", "xdg");
    place("home/.config/leeward/config.toml", "home");
    let xdg = folder.path().join("xdg").display().to_string();
    let home = folder.path().join("home").display().to_string();
    let mut vars: BTreeMap<&str, String> =
        [("LEEWARD_CONFIG", named), ("XDG_CONFIG_HOME", xdg), ("HOME", home), ("KUBECONFIG", kube)].into();
    let loaded = |config: Option<&Path>, vars: &BTreeMap<&str, String>| {
        load(config, &[], &|name: &str| vars.get(name).cloned()).map(|loaded| loaded.settings.environment)
    };
    assert_eq!(loaded(Some(&given), &vars), Ok("given".to_owned()));
    assert_eq!(loaded(None, &vars), Ok("named".to_owned()));
    vars.remove("LEEWARD_CONFIG");
    assert_eq!(loaded(None, &vars), Ok("xdg".to_owned()));
    vars.remove("XDG_CONFIG_HOME");
    assert_eq!(loaded(None, &vars), Ok("home".to_owned()));
    let absent = loaded(Some(Path::new("/nonexistent/leeward.toml")), &vars).unwrap_err();
    assert!(said(&absent).contains("/nonexistent/leeward.toml: can't be opened"), "{}", said(&absent));
}

#[test]
fn contexts_are_looked_up_in_the_kubeconfig() {
    let folder = tempfile::tempdir().unwrap();
    let kube = folder.path().join("kube");
    let context = |name: &str| format!("- name: {name}\n  context: {{cluster: a, user: a}}\n");
    std::fs::write(
        &kube,
        format!("apiVersion: v1\nkind: Config\ncontexts:\n{}{}", context("central-1"), context("east")),
    )
    .unwrap();
    let config = folder.path().join("c.toml");
    std::fs::write(&config, GOOD).unwrap();
    let env = |name: &str| (name == "KUBECONFIG").then(|| format!("{}:/nonexistent/k", kube.display()));
    assert_eq!(contexts(None, &env).unwrap(), ["central-1", "east"]);
    let problems = load(Some(&config), &[], &env).unwrap_err();
    let wanted = "c.toml:4:11: no context \"central\" in the kubeconfig; did you mean \"central-1\"?";
    assert!(said(&problems).ends_with(wanted), "{}", said(&problems));
    let loaded = load(Some(&config), &["regions.us-central1.context=central-1".to_owned()], &env).unwrap();
    assert_eq!(others(loaded.warnings), []);
    let none =
        load(Some(&config), &[], &|name: &str| (name == "KUBECONFIG").then(|| "/nonexistent/k".to_owned())).unwrap();
    assert!(none.warnings.iter().any(|w| w.to_string().contains("kubeconfig /nonexistent/k")), "{:?}", none.warnings);
}

#[test]
fn a_file_that_is_no_text_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, b"schema = 1\n\xff\xfe").unwrap();
    assert!(said(&load(Some(&path), &[], &nothing).unwrap_err()).contains("line 2 is not UTF-8"));
    assert!(said(&load(Some(folder.path()), &[], &nothing).unwrap_err()).contains("can't be read"));
}
