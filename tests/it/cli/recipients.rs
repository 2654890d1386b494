//! `otpost recipient`: which rows are imported and which are rejected, and that no personal data is ever printed.

use std::fmt::Write;

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
    let row = |at: u32| format!("c-{at},pl,{at},{}", if at < 30 { "1" } else { "+48600100200" });
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
        import(&workspace, "recipients.csv", &format!("recipient,locale,user\nc-1,pl,{}", "x".repeat(2_000_000)));
    let open = import(&workspace, "recipients.csv", "recipient,\"locale,user\n");
    let workbook = import(&workspace, "recipients.csv", "PK\u{3}\u{4}\u{14}\u{0}");
    let separator = import(&workspace, "recipients.csv", "sep=:\nrecipient:locale\n");
    let empty = import(&workspace, "recipients.csv", "\n\n");
    let missing = workspace.run(&["recipient", "import", "/nowhere/recipients.csv"]);
    let other = import(&workspace, "recipients.xls", "");

    for (output, part) in [
        (
            &unknown,
            "unknown column phone; columns are named recipient, locale, status, channels, time_zone, \
             storage_customer",
        ),
        (&headless, "unknown column 1 in the header"),
        (&endless, "cannot read beyond line 0: the next line is longer than 1 MiB"),
        (&open, "line 1, header: a quotation mark opens at character 11 and is not closed on its line"),
        (&workbook, "an Excel workbook (.xlsx) or another ZIP archive; in a spreadsheet, save it as \"CSV UTF-8\""),
        (&separator, "sep= names an unknown separator"),
        (&empty, "the file is empty"),
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

    let counts = "would import 2, rejected 0 (dry run: nothing was stored)\nadded 2, changed 0, unchanged 0\n";
    assert_eq!((output.code, output.out.as_str()), (0, counts));
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

/// Imports bytes that need not be UTF-8.
fn import_bytes(workspace: &Workspace, bytes: &[u8]) -> CommandOutput {
    let file = workspace.write("recipients.csv", "");
    std::fs::write(&file, bytes).unwrap();
    workspace.run(&["recipient", "import", &file])
}

const SAVED: &str =
    "recipient,locale,storage_customer,sms\r\nc-1,pl-PL,1337,+48600100200\r\nc-2,pl-PL,1338,+48600100201\r\n";

#[test]
fn a_file_is_taken_as_spreadsheets_save_it() {
    let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let marked = format!("\u{feff}{SAVED}");
    let tabs = SAVED.replace(',', "\t");
    let files = [
        ("commas", SAVED.as_bytes().to_vec()),
        ("semicolons", SAVED.replace(',', ";").into_bytes()),
        ("tabs", tabs.clone().into_bytes()),
        ("a line that names the separator", format!("sep=;\r\n{}", SAVED.replace(',', ";")).into_bytes()),
        ("UTF-8 with a mark", marked.clone().into_bytes()),
        ("UTF-16 with a mark", utf16(&marked, u16::to_le_bytes)),
        ("UTF-16 big endian", utf16(&marked, u16::to_be_bytes)),
        ("UTF-16 without a mark", utf16(SAVED, u16::to_le_bytes)),
        ("Unicode text of Excel", utf16(&format!("\u{feff}{tabs}"), u16::to_le_bytes)),
        ("empty rows", format!("{SAVED},,,\r\n,,,\r\n\r\n").into_bytes()),
        ("an empty last column", SAVED.replace("\r\n", ",\r\n").into_bytes()),
        ("line ends of an old Mac", SAVED.replace("\r\n", "\r").into_bytes()),
        ("quoted cells", SAVED.replace("+48600100200", "\"+48600100200;+48600100300\"").into_bytes()),
    ];
    let workspace = Workspace::new();
    for (name, bytes) in files {
        let output = import_bytes(&workspace, &bytes);

        assert_eq!(
            (output.code, output.err.as_str(), output.out.as_str()),
            (0, "", "imported 2, rejected 0\n"),
            "{name}"
        );
    }
}

#[test]
fn a_file_in_a_windows_code_page_is_rejected_where_it_matters_with_what_to_do() {
    let workspace = Workspace::new();
    let mut bytes = b"recipient,locale,user,email\nc-1,pl,1,\xb3@example.org\nc-2,pl,2,a@example.org\n".to_vec();
    let csv = import_bytes(&workspace, &bytes);
    bytes = b"{\"recipient\":\"c-1\",\"locale\":\"pl\",\"identifiers\":{\"user\":[\"\xb3\"]}}\n".to_vec();
    let file = workspace.write("recipients.jsonl", "");
    std::fs::write(&file, &bytes).unwrap();
    let jsonl = workspace.run(&["recipient", "import", &file]);

    assert_eq!((csv.code, csv.out.as_str()), (1, "imported 1, rejected 1\n"));
    assert!(csv.err.starts_with("line 2, email: not UTF-8; the file may be in a Windows code page"), "{}", csv.err);
    assert!(csv.err.contains("save it as \"CSV UTF-8\""), "{}", csv.err);
    assert!(jsonl.err.starts_with("line 1: not UTF-8"), "{}", jsonl.err);
}

#[test]
fn an_open_quotation_mark_loses_no_other_row() {
    let workspace = Workspace::new();
    let mut table = String::from("recipient,locale,storage_customer,sms\n");
    for at in 1..=200 {
        let mark = if at == 10 { "\"" } else { "" };
        writeln!(table, "c-{at},pl-PL,{at},{mark}+48600000{at:03}").unwrap();
    }

    let open = import(&workspace, "recipients.csv", &table);
    let closed_later = import(&workspace, "recipients.csv", &table.replace("+48600000059", "\"+48600000059\""));
    let swallowing = import(&workspace, "recipients.csv", &table.replace("+48600000059", "+48600000059\""));
    let cut = import(&workspace, "recipients.csv", "recipient,locale,user,sms\nc-1,pl,1,\"+48600100200\n");

    let reason = "line 11, sms: a quotation mark opens at character 15 and is not closed on its line; it would cover";
    assert_eq!((open.code, open.out.as_str()), (1, "imported 199, rejected 1\n"));
    assert_eq!(open.err, format!("{reason} all lines that follow\n"));
    assert_eq!(closed_later.out, "imported 199, rejected 1\n");
    assert_eq!(closed_later.err, format!("{reason} 50 lines, to line 60\n"));
    assert_eq!(swallowing.out, "imported 198, rejected 2\n");
    assert!(
        swallowing.err.ends_with(
            "line 60, sms: a quotation mark in the middle of a cell, at character 27; marks belong around the whole cell\n"
        ),
        "{}",
        swallowing.err
    );
    assert_eq!(cut.out, "imported 0, rejected 1\n");
    assert!(cut.err.starts_with("line 2, sms: a quotation mark opens at character 10"), "{}", cut.err);
}

#[test]
fn a_phone_number_is_taken_as_it_is_copied_or_rejected_with_the_sentence_that_helps() {
    let workspace = Workspace::new();
    let table = "recipient,locale,storage_customer,sms\n\
        c-1,pl-PL,1337,\u{202a}+48600100200\u{202c}\n\
        c-2,pl-PL,1338,\u{200e}+48600100201\n\
        c-3,pl-PL,1339,+48600100202\u{202c}\n\
        c-4,pl-PL,1340,\u{feff}+48600100203\n\
        c-5,pl-PL,1341,+48\u{202f}600\u{a0}100 204\n\
        c-6,pl-PL,1342,0048600100205\n\
        c-7,pl-PL,1343,4.86E+10\n\
        c-8,pl-PL,1344,48600100207\n\
        c-9,pl-PL,1345,600100208\n\
        c-10,pl-PL,\"1,34E+15\",+48600100209\n";

    let output = import(&workspace, "recipients.csv", table);
    let file = workspace.path("recipients.csv");
    let polish = workspace.run(&["recipient", "import", file.to_str().unwrap(), "--country", "pl"]);
    let unknown = workspace.run(&["recipient", "import", file.to_str().unwrap(), "--country", "Poland"]);

    assert_eq!(output.out, "imported 6, rejected 4\n", "{}", output.err);
    let lines: Vec<_> = output.err.lines().collect();
    assert!(lines[0].starts_with("line 8, sms: a spreadsheet has rounded this number"), "{}", output.err);
    assert_eq!(lines[1], "line 9, sms: has no + before the country code; write it as +, country code and number");
    assert!(lines[2].starts_with("line 10, sms: has no country code"), "{}", output.err);
    assert!(lines[2].contains("--country"), "{}", output.err);
    assert!(lines[3].starts_with("line 11, storage_customer: a spreadsheet has rounded this number"), "{}", output.err);
    output.keeps("600100");
    assert_eq!(polish.out, "imported 8, rejected 2\n", "{}", polish.err);
    let shown = workspace.run(&["recipient", "show", "storage_customer", "1345"]);
    assert!(shown.out.contains("+48*****0208"), "{}", shown.out);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("ISO 3166"), "{}", unknown.err);
}

#[test]
fn a_language_that_does_not_exist_is_rejected_and_others_are_brought_to_one_form() {
    let workspace = Workspace::new();
    let table = "recipient,locale,storage_customer,sms\n\
        c-1,cz,1,+48600100201\nc-2,polski,2,+48600100202\nc-3,pol,3,+48600100203\nc-4,pl_pl,4,+48600100204\n\
        c-5,gsw,5,+48600100205\nc-6,gsw-CH,6,+48600100206\nc-7,mi,7,+48600100207\n";

    let output = import(&workspace, "recipients.csv", table);
    let json = workspace.run(&["recipient", "import", workspace.path("recipients.csv").to_str().unwrap(), "--json"]);

    assert_eq!(output.out, "imported 5, rejected 2\n", "{}", output.err);
    let lines: Vec<_> = output.err.lines().collect();
    assert!(lines[0].starts_with("line 2, locale: unknown language; write its ISO 639 code"), "{}", output.err);
    assert!(lines[1].starts_with("line 3, locale: unknown language"), "{}", output.err);
    assert_eq!(lines[2], "warning: no templates in these languages, so that their recipients get en: gsw (2), mi (1)");
    output.keeps("polski");
    assert_eq!(json.json()["languages_without_templates"], serde_json::json!({"gsw": 2, "mi": 1}));
    for (customer, locale) in [("3", "pl\n"), ("4", "pl-PL\n")] {
        workspace.run(&["recipient", "show", "storage_customer", customer]).place_of(&format!("locale     {locale}"));
    }
}

#[test]
fn two_recipients_with_one_customer_number_or_card_are_rejected_unless_allowed() {
    let workspace = Workspace::new();
    let table = "recipient,locale,storage_customer,dc_card,corporation,balance,sms\n\
        h,pl,8,1,77,,+48600100200\n\
        good,pl,9,2,77,,+48600100201\n\
        i,pl,8,3,77,,+48600100202\n\
        j,pl,10,3,,,+48600100203\n\
        k,pl,11,4,,b334b384-328c-11ed-a261-0242ac120002,+48600100204\n\
        l,pl,12,5,,b334b384-328c-11ed-a261-0242ac120002,+48600100205\n";

    let refused = import(&workspace, "recipients.csv", table);
    let unknown = workspace.run(&["recipient", "show", "storage_customer", "8"]);
    let file = workspace.path("recipients.csv");
    let allowed = workspace.run(&["recipient", "import", file.to_str().unwrap(), "--allow-shared", "--json"]);
    let shown = workspace.run(&["recipient", "show", "storage_customer", "8", "--json"]);
    let explained = workspace.run(&["route", "explain", "--kind", "otp", "--recipient", "storage_customer", "8"]);

    assert_eq!((refused.code, refused.out.as_str()), (1, "imported 3, rejected 3\n"), "{}", refused.err);
    let lines: Vec<_> = refused.err.lines().collect();
    assert_eq!(
        lines[0],
        "line 2, storage_customer: line 4 has the same one; it belongs to one recipient. Correct the file, or repeat with \
         --allow-shared if this is meant"
    );
    assert!(lines[1].starts_with("line 4, storage_customer: line 2 has the same one;"), "{}", refused.err);
    assert!(lines[2].starts_with("line 5, dc_card: line 4 has the same one;"), "{}", refused.err);
    assert_eq!(lines[3], "warning: line 6, balance: line 7 has the same one");
    assert_eq!(lines[4], "warning: line 7, balance: line 6 has the same one");
    assert_eq!(lines.len(), 5, "{}", refused.err);
    assert_eq!(unknown.code, 1);
    let report = allowed.json();
    assert_eq!(
        (allowed.code, report["imported"].as_u64(), report["warned"].as_u64()),
        (0, Some(6), Some(6)),
        "{report}"
    );
    assert_eq!(shown.json()["recipients"].as_array().unwrap().len(), 2);
    explained.place_of(
        "2 recipients have this identifier; unless another identifier of the OTP names only one, the OTP is not sent \
         (ambiguous_recipient)",
    );
}

#[test]
fn a_number_that_another_recipient_of_the_database_has_is_rejected_unless_the_file_replaces_that_recipient() {
    let workspace = Workspace::new();
    let table = |rows: &str| format!("recipient,locale,storage_customer,sms\n{rows}");
    import(&workspace, "old.csv", &table("a,pl,1,+48600100201\nb,pl,2,+48600100202\n"));
    let id = workspace.run(&["recipient", "show", "storage_customer", "1", "--json"]).json()["recipients"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let taken = table("c,pl,1,+48600100203\nb,pl,2,+48600100202\n");
    let file = workspace.write("recipients.csv", &taken);
    let dry = workspace.run(&["recipient", "import", &file, "--dry-run"]);
    let refused = workspace.run(&["recipient", "import", &file]);
    let allowed = workspace.run(&["recipient", "import", &file, "--allow-shared"]);
    let checked = workspace.run(&["check"]).out;
    let wrong_row = import(&workspace, "wrong.csv", &table("d,pl,2,+48600100204\nb,pl,3,+48600\n"));
    let moved = import(&workspace, "moved.csv", &table("d,pl,2,+48600100204\nb,pl,3,+48600100202\n"));
    let again = import(&workspace, "moved.csv", &table("d,pl,2,+48600100204\nb,pl,3,+48600100202\n"));

    let reason = format!("line 2, storage_customer: recipient {id} in the database has the same one");
    assert_eq!((dry.code, refused.code), (1, 1), "{}{}", dry.err, refused.err);
    assert_eq!(dry.out, "would import 1, rejected 1 (dry run: nothing was stored)\nadded 0, changed 0, unchanged 1\n");
    assert_eq!(refused.out, "imported 1, rejected 1\n");
    for output in [&dry, &refused] {
        assert!(output.err.starts_with(&reason), "{}", output.err);
    }
    assert_eq!((allowed.code, allowed.out.as_str()), (0, "imported 2, rejected 0\n"));
    assert!(allowed.err.starts_with(&format!("warning: {reason}")), "{}", allowed.err);
    assert!(checked.contains("1 identifiers name several recipients each; an OTP with no other"), "{checked}");
    assert_eq!(wrong_row.out, "imported 0, rejected 2\n", "{}", wrong_row.err);
    assert_eq!((moved.out.as_str(), again.out.as_str()), ("imported 2, rejected 0\n", "imported 2, rejected 0\n"));
}

#[test]
fn a_recipient_that_nothing_can_be_sent_to_is_imported_with_a_warning() {
    let workspace = Workspace::new();
    let table = "recipient,locale,status,channels,storage_customer,sms\n\
        a,pl,,,1,\nb,pl,,push,2,+48600100200\nc,pl,opted_out,,3,\nd,pl,blocked,,4,\ne,pl,,sms,5,+48600100201\n";

    let output = import(&workspace, "recipients.csv", table);

    assert_eq!((output.code, output.out.as_str()), (0, "imported 5, rejected 0\n"), "{}", output.err);
    let lines: Vec<_> = output.err.lines().collect();
    assert!(lines[0].starts_with("warning: line 2: no contact; nothing can be sent"), "{}", output.err);
    assert!(
        lines[1].starts_with("warning: line 3: no contact on a channel that the recipient agreed to"),
        "{}",
        output.err
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_mail_address_that_cannot_be_written_is_not_imported() {
    let workspace = Workspace::new();
    let bad = ["a..b@example.com", ".a@example.com", "a@-example.com", "a@example-.com", "a@192.0.2.1", "a@example"];
    let good = ["a.b@example.com", "źdźbło@example.com", "ala@żółw.example"];
    let mut table = String::from("recipient,locale,user,email\n");
    for (at, address) in bad.iter().chain(&good).enumerate() {
        writeln!(table, "c-{at},pl,{at},{address}").unwrap();
    }
    writeln!(table, "c-10,pl,10,\"\"\"a b\"\"@example.com\"").unwrap();

    let output = import(&workspace, "recipients.csv", &table);

    assert_eq!(output.out, "imported 4, rejected 6\n", "{}", output.err);
    for (line, error) in (2..).zip(output.err.lines()) {
        assert!(error.starts_with(&format!("line {line}, email: an e-mail address is one plain mailbox")), "{error}");
    }
}

#[test]
fn the_help_of_the_import_says_what_each_status_stops() {
    let workspace = Workspace::new();
    let help = workspace.run(&["recipient", "import", "--help"]);

    help.place_of("opted_out: gets OTPs, and locks for a lost or stolen card\n");
    help.place_of("or suspected fraud, and nothing else");
    help.place_of("blocked or deceased: gets nothing");
}

#[test]
fn an_export_has_the_contacts_in_clear_in_a_file_for_its_owner_only_and_is_an_audit_event() {
    use std::os::unix::fs::PermissionsExt;

    let workspace = Workspace::small();
    workspace.import("1337");
    let file = workspace.path("recipient.json");
    let export = ["recipient", "export", "storage_customer", "1337", "--out", file.to_str().unwrap()];

    let exported = workspace.run(&export);

    assert_eq!(exported.code, 0, "{}", exported.err);
    let data: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let contacts: Vec<_> = data["recipient"]["contacts"].as_array().unwrap().iter().collect();
    assert!(contacts.iter().any(|it| it["contact"].as_str().unwrap().starts_with("+48")), "{data}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = workspace.run(&["audit", "list"]).out;
    assert!(listed.contains("recipient_exported") && listed.contains("operator:"), "{listed}");
    let again = workspace.run(&export);
    assert!(again.code == 2 && again.err.contains("exists; choose another name"), "{}", again.err);
    let unknown = workspace.run(&["recipient", "export", "storage_customer", "77", "--out", "x.json"]);
    assert!(unknown.code == 1 && unknown.err.contains("no recipient has this storage_customer"), "{}", unknown.err);
}

const ALL: &str = "recipient,locale,storage_customer,sms\n\
    a,pl,1,+48600100201\nb,pl,2,+48600100202\nc,pl,3,+48600100203\nd,pl,4,+48600100204\n";

#[test]
fn a_recipient_is_shown_by_its_own_id_a_phone_number_or_a_mail_address() {
    let workspace = Workspace::new();
    import(&workspace, "recipients.csv", CSV);

    for (kind, value) in [
        ("recipient", "c-1"),
        ("sms", "+48 600 100 200"),
        ("sms", "0048600100300"),
        ("email", "Reader@example.org"),
        ("storage_customer", "1337"),
    ] {
        let shown = workspace.run(&["recipient", "show", kind, value]);
        assert_eq!(shown.code, 0, "{kind}: {}", shown.err);
        shown.place_of("own id     c-1");
        shown.keeps("600100200");
    }
    for (kind, value, code, reason) in [
        ("recipient", "c-9", 1, "no recipient has this id"),
        ("sms", "+48600100209", 1, "no recipient has this sms contact"),
        ("sms", "600100200", 2, "sms: has no country code"),
        ("email", "reader", 2, "email: an e-mail address is one plain mailbox"),
        ("name", "reader", 2, "expected recipient (your own id), storage_customer,"),
    ] {
        let refused = workspace.run(&["recipient", "show", kind, value]);
        assert_eq!(refused.code, code, "{kind} {value}: {}", refused.err);
        assert!(refused.err.contains(reason), "{kind} {value}: {}", refused.err);
    }
}

#[test]
fn recipients_are_listed_with_masked_contacts_page_by_page_and_by_what_they_are() {
    let workspace = Workspace::new();
    import(&workspace, "recipients.csv", CSV);
    let ids = |args: &[&str]| -> Vec<String> {
        let listed = workspace.run(&[&["recipient", "list", "--json"], args].concat());
        assert_eq!(listed.code, 0, "{}", listed.err);
        let own = |it: &serde_json::Value| it["recipient"].as_str().unwrap().to_owned();
        let mut ids: Vec<_> = listed.json()["recipients"].as_array().unwrap().iter().map(own).collect();
        ids.sort();
        ids
    };

    let table = workspace.run(&["recipient", "list"]);
    let csv = workspace.run(&["recipient", "list", "--csv"]);
    let first = workspace.run(&["recipient", "list", "--json", "--limit", "1"]).json();
    let next = first["next"].as_str().unwrap().to_owned();

    table.place_of("+48*****0200  +48*****0300  r***@e***.org");
    table.keeps("600100200");
    assert_eq!(csv.out.lines().count(), 5, "{}", csv.out);
    csv.keeps("600100200");
    assert_eq!(ids(&[]), ["c-1", "c-2"]);
    assert_eq!(ids(&["--locale", "pl"]), ["c-1"]);
    assert_eq!(ids(&["--status", "opted_out"]), ["c-2"]);
    assert_eq!(ids(&["--channel", "email"]), ["c-1"]);
    assert_eq!(ids(&["--without-contacts"]), ["c-2"]);
    assert!(ids(&["--retired"]).is_empty());
    let rest = ids(&["--after", &next]);
    assert_eq!((rest.len(), first["recipients"].as_array().unwrap().len()), (1, 1));
    let counted = workspace.run(&["recipient", "count", "--json"]).json();
    assert_eq!((counted["recipients"].as_u64(), counted["without_contacts"].as_u64()), (Some(2), Some(1)));
    assert_eq!(counted["by_locale"], serde_json::json!({ "en": 1, "pl-PL": 1 }));
}

#[test]
fn a_diff_says_what_an_import_would_change_and_who_is_missing() {
    let workspace = Workspace::new();
    import(&workspace, "old.csv", ALL);
    let new = "recipient,locale,storage_customer,sms\n\
        a,pl,1,+48600100201\nb,en,2,+48600100209\nc,pl,33,+48600100203\ne,pl,5,+48600100205\n";
    let file = workspace.write("new.csv", new);

    let output = workspace.run(&["recipient", "diff", &file]);
    let json = workspace.run(&["recipient", "diff", &file, "--json"]).json();

    assert_eq!(output.code, 0, "{}", output.err);
    output.place_of("line 3 changes locale, sms");
    output.place_of("line 4 changes identifiers");
    output.place_of("added 1, changed 2 (identifiers 1, locale 1, sms 1), unchanged 1");
    output.place_of("not in the file: 1; with --replace-all they would be blocked");
    assert_eq!((json["changes"]["added"].as_u64(), json["gone"].as_u64()), (Some(1), Some(1)), "{json}");
    assert_eq!(workspace.run(&["recipient", "show", "recipient", "e"]).code, 1);
}

#[test]
fn a_file_that_replaces_all_blocks_who_is_missing_unless_there_are_too_many_or_a_row_is_wrong() {
    let workspace = Workspace::new();
    let replace = |rows: &str, args: &[&str]| {
        let file = workspace.write("new.csv", &format!("recipient,locale,storage_customer,sms\n{rows}"));
        workspace.run(&[&["recipient", "import", &file, "--replace-all"], args].concat())
    };
    let status = |id: &str| {
        let shown = workspace.run(&["recipient", "show", "recipient", id, "--json"]);
        (shown.code == 0).then(|| shown.json()["recipients"][0]["status"].as_str().unwrap().to_owned())
    };
    import(&workspace, "old.csv", ALL);
    let without_d = "a,pl,1,+48600100201\nb,pl,2,+48600100202\nc,pl,3,+48600100203\n";
    let with_fault = "a,pl,1,+48600100201\nb,pl,2,+48600100202\nc,pl,3,+48600100203\nd,pl,4,48600\n";

    let refused = replace("a,pl,1,+48600100201\n", &[]);
    let faulty = replace(with_fault, &["--yes"]);
    let before = status("d");
    let dry = replace(without_d, &["--max-gone", "25", "--dry-run"]);
    let blocked = replace(without_d, &["--max-gone", "25"]);
    let after = status("d");
    let again = replace(without_d, &[]);
    let erased = replace(without_d, &["--erase", "--yes"]);

    assert_eq!(refused.code, 2);
    let reason = "3 of 4 recipients are not in the file and would be blocked, more than 10 %; nothing was imported.";
    assert!(refused.err.contains(reason), "{}", refused.err);
    assert_eq!((faulty.code, before.as_deref()), (1, Some("active")));
    faulty.place_of("none of them was blocked, because 1 rows were rejected and may be theirs");
    dry.place_of("not in the file: 1; with --replace-all they would be blocked");
    blocked.place_of("not in the file: 1, blocked 1");
    assert_eq!(after.as_deref(), Some("blocked"));
    again.place_of("not in the file: 0, blocked 0");
    erased.place_of("not in the file: 1, erased 1");
    assert_eq!((status("d"), status("a").as_deref()), (None, Some("active")));
}
