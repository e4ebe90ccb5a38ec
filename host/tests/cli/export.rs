//! Entries go to OpenTelemetry, a hundred a line.

use crate::house::House;
use crate::witness::write;
use serde_json::Value;

#[test]
fn entries_go_to_opentelemetry_in_lines_of_a_hundred() {
    let house = House::new();
    write(&house, 205, "audit.resume");
    let told = house.run(["audit", "export", "--format", "otlp"]);
    let lines: Vec<Value> =
        told.ok().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records: Vec<&Vec<Value>> = lines
        .iter()
        .map(|line| line.pointer("/resourceLogs/0/scopeLogs/0/logRecords").unwrap().as_array().unwrap())
        .collect();
    assert_eq!(records.iter().map(|records| records.len()).collect::<Vec<_>>(), [100, 100, 5]);
    let seq = |record: &Value| {
        let attributes = record["attributes"].as_array().unwrap();
        let seq = attributes.iter().find(|a| a["key"] == "strongroom.audit.seq").unwrap();
        seq.pointer("/value/intValue").unwrap().as_str().unwrap().parse::<usize>().unwrap()
    };
    let numbers: Vec<usize> = records.into_iter().flatten().map(seq).collect();
    assert_eq!(numbers, (0..205).collect::<Vec<_>>());
    assert_eq!(house.run(["audit", "export", "--format", "otlp", "--tenant", "nobody"]).ok().stdout, "");
    house.run(["audit", "show", "--format", "otlp"]).failed(2, "usage").says("audit export");
}

#[test]
fn what_was_read_before_a_fault_is_printed() {
    let house = House::new();
    write(&house, 300, "audit.resume");
    std::fs::remove_file(house.path().join("audit/tile/entries/001.p/44")).unwrap();
    for (format, lines) in [("otlp", 3), ("jsonl", 256)] {
        let told = house.run(["audit", "export", "--format", format]);
        told.failed(8, "audit_unavailable");
        assert_eq!(told.stdout.lines().count(), lines, "{format}");
    }
}
