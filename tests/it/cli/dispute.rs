//! `otpost report dispute`: what is refused, and that nothing half-written is left.

use super::Workspace;
use super::delivery::{accept, open};

fn files(workspace: &Workspace) -> Vec<String> {
    let names = std::fs::read_dir(workspace.path("")).unwrap();
    let mut names: Vec<_> = names.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with("otpost.db"));
    names.sort();
    names
}

#[tokio::test]
async fn bad_arguments_are_named_and_leave_no_file() {
    let workspace = Workspace::new();
    workspace.import("77312");
    let store = open(&workspace).await;
    let claimed = accept(&store).await;
    let id = claimed.id.to_string();
    store.close().await.unwrap();
    let before = files(&workspace);
    let (out, there) = (workspace.path("out.html"), workspace.path("otpost.toml"));
    let (out, there) = (out.to_str().unwrap(), there.to_str().unwrap());
    let nobody = "0195d3a0-0000-7000-8000-000000000000";

    for (args, code, expected) in [
        (vec!["--notification", nobody], 1, "no delivery or notification has the id"),
        (vec!["--notification", "latest"], 2, "invalid value 'latest'"),
        (vec![], 2, "--notification <ID>|--recipient <KIND:ID>"),
        (vec!["--notification", &id, "--recipient", "user:1", "--from", "1h"], 2, "cannot be used with"),
        (vec!["--recipient", "storage_customer:77312"], 2, "--from"),
        (vec!["--recipient", "storage_customer:7", "--from", "1h"], 1, "no recipient has this storage_customer"),
        (vec!["--recipient", "77312", "--from", "1h"], 2, "such as storage_customer:1337"),
        (vec!["--recipient", "phone:77312", "--from", "1h"], 2, "expected storage_customer, storage_card"),
        (vec!["--recipient", "storage_customer:x", "--from", "1h"], 2, "storage_customer: expected 1 to 20 digits"),
        (vec!["--recipient", "storage_customer:77312", "--from", "soon"], 2, "`soon` is not a time: expected 2h"),
        (
            vec!["--recipient", "storage_customer:77312", "--from", "1h", "--to", "2h"],
            2,
            "the range ends before it begins",
        ),
        (vec!["--notification", &id, "--locale", "xx"], 2, "--locale xx: unknown language"),
        (vec!["--notification", &id, "--locale", "lv"], 2, "there are no words; write them into"),
        (vec!["--notification", &id, "--format", "doc"], 2, "possible values: pdf, html, json"),
    ] {
        let args = [vec!["report", "dispute", "--out", out], args].concat();
        let said = workspace.run(&args);
        assert!(said.code == code && said.err.contains(expected), "{args:?}: {} {}", said.code, said.err);
        said.keeps("77312");
    }
    for (file, expected) in [
        (there, "exists; name another file with --out, or replace it with --force"),
        (workspace.path("keys").to_str().unwrap(), "it is a folder"),
        ("/nowhere/out.pdf", "/nowhere/out.pdf: No such file or directory"),
    ] {
        let said = workspace.run(&["report", "dispute", "--notification", &id, "--out", file]);
        assert!(said.code == 2 && said.err.contains(expected), "{file}: {} {}", said.code, said.err);
    }
    assert_eq!(files(&workspace), before, "nothing is left behind");

    let made = workspace.run(&["report", "dispute", "--notification", &id, "--format", "html", "--out", out]);
    assert_eq!((made.code, made.out.trim()), (0, format!("{out}: 1 delivery").as_str()), "{}", made.err);
    let again =
        workspace.run(&["report", "dispute", "--notification", &id, "--format", "html", "--out", out, "--force"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let page = std::fs::read_to_string(out).unwrap();
    assert!(page.contains("The delivery has not ended") && page.contains("not signed yet"), "{page}");
    assert!(!page.contains("424242"), "{page}");
}
