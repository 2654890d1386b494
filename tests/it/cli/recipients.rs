//! `otpost recipient`: which rows are imported and which are rejected, and that no personal data is ever printed.

use super::{CommandOutput, Workspace};

const CSV: &str = "recipient,locale,status,storage_customer,dc_card,sms,email\n\
    c-1,pl-PL,,1337,77;78,+48 600-100-200;+48600100300,reader@example.org\n\
    c-2,en,opted_out,1338,,,\n";

fn import(workspace: &Workspace, name: &str, text: &str) -> CommandOutput {
    let file = workspace.write(name, text);
    workspace.run(&["recipient", "import", &file])
}

#[test]
fn recipients_are_imported_from_csv_and_shown_with_masked_contacts_in_order() {
    let workspace = Workspace::new();

    let imported = import(&workspace, "recipients.csv", CSV);
    let shown = workspace.run(&["recipient", "show", "dc_card", "78"]);
    let json = workspace.run(&["recipient", "show", "storage_customer", "1337", "--json"]);

    assert_eq!((imported.code, imported.out.as_str(), imported.err.as_str()), (0, "imported 2, rejected 0\n", ""));
    assert_eq!(shown.code, 0, "{}", shown.err);
    let order: Vec<_> = ["pl-PL", "active", "+48*****0200", "+48*****0300", "r***@e***.org"]
        .iter()
        .map(|part| shown.place_of(part))
        .collect();
    assert!(order.is_sorted(), "{}", shown.out);
    shown.keeps("600100200");
    shown.keeps("reader");
    let recipient = &json.json()["recipients"][0];
    assert_eq!(recipient["contacts"][0]["channel"], "sms");
    assert_eq!(recipient["contacts"][0]["contact"], "+48*****0200");
    assert_eq!(recipient["status"], "active");
}

#[test]
fn every_kind_of_identifier_is_a_column_and_the_help_lists_it() {
    let workspace = Workspace::new();
    let columns = ["storage_customer", "storage_card", "dc_card", "user", "corporation", "balance"];
    let values = ["1", "2", "3", "A3F33118-946D-4B9C-B27F-E009D28355FA", "5", "b334b384-328c-11ed-a261-0242ac120002"];
    let table = format!("recipient,locale,{}\nc-1,pl,{}\n", columns.join(","), values.join(","));

    let imported = import(&workspace, "recipients.csv", &table);
    let help = workspace.run(&["recipient", "import", "--help"]);

    assert_eq!(imported.out, "imported 1, rejected 0\n", "{}", imported.err);
    for (column, value) in columns.into_iter().zip(values) {
        assert_eq!(workspace.run(&["recipient", "show", column, value]).code, 0, "{column}");
        assert!(help.out.contains(&format!("\n  {column} ")), "{column}: {}", help.out);
    }
    let other_spelling = ["recipient", "show", "user", "a3f33118-946d-4b9c-b27f-e009d28355fa"];
    assert_eq!(workspace.run(&other_spelling).code, 0);
}

#[test]
fn importing_a_file_again_replaces_recipients_and_adds_none() {
    let workspace = Workspace::new();
    import(&workspace, "recipients.csv", CSV);
    let moved = CSV.replace("+48600100300", "+48600100400");

    let again = import(&workspace, "recipients.csv", &moved);
    let shown = workspace.run(&["recipient", "show", "storage_customer", "1337", "--json"]).json();

    assert_eq!(again.code, 0);
    assert_eq!(shown["recipients"].as_array().unwrap().len(), 1);
    assert_eq!(shown["recipients"][0]["contacts"][1]["contact"], "+48*****0400");
}

#[test]
fn json_lines_mean_the_same_as_csv() {
    let workspace = Workspace::new();
    let text = "\u{feff}{\"recipient\":\"c-1\",\"locale\":\"pl\",\"identifiers\":{\"user\":[\"u-1\"]},\
        \"contacts\":{\"push\":[\"token-abcd\"]}}\n\n\
        {\"recipient\":\"c-2\",\"locale\":\"pl\",\"surname\":\"x\",\"identifiers\":{\"user\":[\"u-2\"]}}\n";

    let imported = import(&workspace, "recipients.jsonl", text);
    let shown = workspace.run(&["recipient", "show", "user", "u-1"]);

    assert_eq!((imported.code, imported.out.as_str()), (1, "imported 1, rejected 1\n"));
    assert!(imported.err.starts_with("line 3: unknown key"), "{}", imported.err);
    imported.keeps("surname");
    assert!(shown.out.contains("push       …abcd"), "{}", shown.out);
}

#[test]
fn rows_are_rejected_one_by_one_with_line_and_column_and_without_their_content() {
    let workspace = Workspace::new();
    let text = "\u{feff}recipient,locale,storage_customer,sms\n\
        good,pl,1,+48600100200\n\
        national,pl,2,600100999\n\
        short,pl,3,+48600\n\
        nameless,pl,,+48600100201\n\
        good,pl,5,+48600100202\n\
        tongue,p_l,6,+48600100203\n\
        ragged,pl,7\n";

    let output = import(&workspace, "recipients.csv", text);
    let json = workspace.run(&["recipient", "import", workspace.path("recipients.csv").to_str().unwrap(), "--json"]);

    assert_eq!((output.code, output.out.as_str()), (1, "imported 1, rejected 6\n"));
    let lines: Vec<_> = output.err.lines().collect();
    assert!(lines[0].starts_with("line 3, sms: has no country code"), "{}", output.err);
    assert_eq!(lines[1], "line 4, sms: too short for its country");
    assert!(lines[2].starts_with("line 5: no identifier"), "{}", output.err);
    assert_eq!(lines[3], "line 6, recipient: duplicate of line 2");
    assert!(lines[4].starts_with("line 7, locale:"), "{}", output.err);
    assert_eq!(lines[5], "line 8: expected 4 cells, found 3");
    output.keeps("600100");
    output.keeps("national");
    assert_eq!(json.json()["rejected"], 6);
    assert_eq!(json.json()["rejections"][0]["column"], "sms");
}

#[test]
fn the_first_twenty_rejected_rows_are_listed_and_the_rest_is_counted() {
    let workspace = Workspace::new();
    let row = |at: u32| format!("c-{at},pl,{at},{}", if at < 30 { "1" } else { "" });
    let rows = (0..1_100).map(row).collect::<Vec<_>>().join("\n");

    let output = import(&workspace, "recipients.csv", &format!("recipient,locale,storage_customer,sms\n{rows}"));

    assert_eq!((output.code, output.out.as_str()), (1, "imported 1070, rejected 30\n"));
    assert_eq!(output.err.lines().count(), 21);
    assert!(output.err.ends_with("and 10 more\n"), "{}", output.err);
}

#[test]
fn a_file_of_another_format_is_refused_as_a_whole() {
    let workspace = Workspace::new();
    let unknown = import(&workspace, "recipients.csv", "recipient,locale,phone\n");
    let headless = import(&workspace, "recipients.csv", "c-1,pl,+48600100200\n");
    let endless =
        import(&workspace, "recipients.csv", &format!("recipient,locale,user\nc-1,pl,\"{}", "x\n".repeat(700_000)));
    let missing = workspace.run(&["recipient", "import", "/nowhere/recipients.csv"]);
    let other = import(&workspace, "recipients.xls", "");

    for (output, part) in [
        (
            &unknown,
            "unknown column phone; columns are separated by commas and named recipient, locale, status, channels, time_zone, \
             storage_customer",
        ),
        (&headless, "unknown column 1 in the header"),
        (&endless, "a row is longer than 1 MiB"),
        (&missing, "/nowhere/recipients.csv"),
        (&other, ".csv or .jsonl"),
    ] {
        assert_eq!(output.code, 2, "{}", output.err);
        assert!(output.err.contains(part), "{}", output.err);
    }
    headless.keeps("600100200");
}

#[test]
fn a_dry_run_stores_nothing() {
    let workspace = Workspace::new();
    let file = workspace.write("recipients.csv", CSV);

    let output = workspace.run(&["recipient", "import", &file, "--dry-run"]);
    let shown = workspace.run(&["recipient", "show", "storage_customer", "1337"]);

    assert_eq!((output.code, output.out.as_str()), (0, "would import 2, rejected 0 (dry run: nothing was stored)\n"));
    assert_eq!(shown.code, 1);
    shown.keeps("1337");
}

#[test]
fn a_recipient_is_erased_only_with_confirmation() {
    let workspace = Workspace::new();
    import(&workspace, "recipients.csv", CSV);

    let unconfirmed = workspace.run(&["recipient", "erase", "storage_customer", "1337"]);
    let erased = workspace.run(&["recipient", "erase", "storage_customer", "1337", "--yes"]);
    let again = workspace.run(&["recipient", "erase", "storage_customer", "1337", "--yes"]);

    assert_eq!(unconfirmed.code, 2);
    assert!(unconfirmed.err.contains("--yes"), "{}", unconfirmed.err);
    assert_eq!(erased.code, 0, "{}", erased.err);
    assert_eq!(again.code, 1);
    assert_eq!(workspace.run(&["recipient", "show", "dc_card", "77"]).code, 1);
    assert_eq!(workspace.run(&["recipient", "show", "storage_customer", "1338"]).code, 0);
}

#[test]
fn the_id_chooses_among_several_recipients_with_the_same_identifier() {
    let workspace = Workspace::new();
    import(&workspace, "recipients.csv", "recipient,locale,corporation\na,pl,9\nb,de,9\n");
    let recipients = workspace.run(&["recipient", "show", "corporation", "9", "--json"]).json();
    let id = recipients["recipients"][1]["id"].as_str().unwrap();

    let ambiguous = workspace.run(&["recipient", "erase", "corporation", "9", "--yes"]);
    let erased = workspace.run(&["recipient", "erase", "corporation", "9", "--yes", "--id", id]);

    assert_eq!(ambiguous.code, 2);
    assert!(ambiguous.err.contains(id) && ambiguous.err.contains("--id"), "{}", ambiguous.err);
    assert_eq!(erased.code, 0, "{}", erased.err);
    let left = workspace.run(&["recipient", "show", "corporation", "9", "--json"]).json();
    assert_eq!(left["recipients"].as_array().unwrap().len(), 1);
}
