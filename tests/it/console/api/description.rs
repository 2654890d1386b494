//! The OpenAPI description: it is valid, and `otpost openapi` prints it.

use std::process::Command;

use otpost::console::api_description;
use serde_json::{Value, json};

use crate::support::python;

#[test]
fn an_independent_validator_finds_the_description_valid() {
    let description = serde_json::to_value(api_description()).unwrap();
    let asked = json!({ "description": description, "bodies": [] });

    let validated: Value =
        serde_json::from_str(&python::run(include_str!("../../support/openapi.py"), &asked)).unwrap();

    assert_eq!(validated["faults"], json!([]));
}

#[test]
fn the_command_prints_it() {
    let printed = Command::new(env!("CARGO_BIN_EXE_otpost")).args(["openapi", "--api", "console"]).output().unwrap();

    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, serde_json::to_value(api_description()).unwrap());
    let operations = printed["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    for operation in operations {
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{operation}");
        for status in ["401", "403", "422", "500"] {
            let problem = &operation["responses"][status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/ApiProblem", "{operation}");
        }
    }
}
