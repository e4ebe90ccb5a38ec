//! `imports`: the table that the gate uses, for people, programs and the documentation.

use crate::house::House;
use strongroom::imports::table::TABLE;

#[test]
fn the_table_of_imports_is_printed_in_three_ways() {
    let house = House::new();
    let text = house.run(["imports"]).ok().stdout.clone();
    assert_eq!(text.lines().count(), TABLE.len() + 1, "a line for each import, and the names of the columns");
    let line = text.lines().find(|line| line.starts_with("wasi:keyvalue/store#[method]bucket.set ")).unwrap();
    let cells: Vec<_> = line.split_whitespace().skip(1).collect();
    assert_eq!(cells, ["effect", "10000", "2", "keyvalue", "rw"]);

    let rows = house.run(["imports", "--format", "json"]).ok().json();
    assert_eq!(rows["imports"].as_array().unwrap().len(), TABLE.len());
    assert_eq!(rows["imports"][0]["interface"], "strongroom:host/call");
    assert_eq!(rows["imports"][0]["right"], "free");

    let page = house.run(["imports", "--markdown"]).ok().stdout.clone();
    assert_eq!(page, include_str!("../../../docs/imports.md"));
    house.run(["imports", "--markdown", "--format", "json"]).failed(2, "usage");
    house.run(["imports", "--format", "sarif"]).failed(2, "usage");
}
