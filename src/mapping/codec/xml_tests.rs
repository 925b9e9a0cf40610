//! Tests of the XML reader: shape, records, and every attack the format is known for.

use serde_json::json;

use super::*;

fn read(text: &str, options: &XmlOptions) -> Result<Vec<Record>, Error> {
    decode(text, Encoding::Utf8, options, &Limits::default())
}

fn one(text: &str) -> Result<Value, Error> {
    read(text, &XmlOptions::default()).map(|mut records| records.remove(0).value)
}

fn records_at(path: &str) -> XmlOptions {
    XmlOptions { record: Some(path.to_owned()), ..XmlOptions::default() }
}

#[test]
fn elements_attributes_and_text_take_their_shape() {
    let value =
        one("<r id='1'> <a> x </a><b k=\"v\">t</b><c/><d><e>1</e></d><!-- no data --><?pi x?></r>").unwrap();
    assert_eq!(
        value,
        json!({"@id": "1", "a": "x", "b": {"@k": "v", "#text": "t"}, "c": "", "d": {"e": "1"}})
    );
}

#[test]
fn children_of_one_name_are_an_array_in_order() {
    assert_eq!(one("<r><a>1</a><b/><a>2</a><a>3</a></r>").unwrap(), json!({"a": ["1", "2", "3"], "b": ""}));
}

#[test]
fn a_repeated_element_is_an_array_even_alone() {
    let options = XmlOptions { repeated: vec!["r/a".to_owned()], ..XmlOptions::default() };
    assert_eq!(read("<r><a>1</a></r>", &options).unwrap()[0].value, json!({"a": ["1"]}));
}

#[test]
fn mixed_text_is_kept_beside_the_children() {
    assert_eq!(one("<r>before <b>x</b> after</r>").unwrap(), json!({"b": "x", "#text": "before  after"}));
}

#[test]
fn namespaces_are_matched_by_local_name() {
    let value = one("<s:r xmlns:s='urn:s' xmlns='urn:d'><s:a s:k='1'>x</s:a></s:r>").unwrap();
    assert_eq!(value, json!({"a": {"@k": "1", "#text": "x"}}));
}

#[test]
fn character_data_and_references_are_resolved() {
    let value = one("<r a='&lt;&#20013;'>a&amp;b<![CDATA[<c>&d;]]>&#x4e2d;&quot;</r>").unwrap();
    assert_eq!(value, json!({"@a": "<中", "#text": "a&b<c>&d;中\""}));
}

#[test]
fn records_are_found_at_their_path_with_their_lines() {
    let text = "<l>\n<head>x</head>\n<rows>\n<row><a>1</a></row>\n<row>\n<a>2</a></row></rows>\n</l>";
    let records = read(text, &records_at("l/rows/row")).unwrap();
    let expected: Vec<_> = [(1, 4, "1"), (2, 5, "2")]
        .map(|(number, line, a)| Record {
            value: json!({"a": a}),
            origin: Origin { number, line: Some(line) },
        })
        .into();
    assert_eq!(records, expected);
}

#[test]
fn an_empty_list_has_no_records_but_a_changed_shape_is_an_error() {
    assert_eq!(read("<l><rows/></l>", &records_at("l/rows/row")).unwrap(), []);
    let error = read("<l><lines/></l>", &records_at("l/rows/row")).unwrap_err();
    assert!(matches!(&error, Error::NoRecordParent { path } if path == "l/rows"), "{error}");
    let error = read("<m/>", &records_at("l")).unwrap_err();
    assert!(matches!(&error, Error::NoRecordParent { path } if path == "l"), "{error}");
}

#[test]
fn an_entity_bomb_is_refused_at_its_doctype() {
    let bomb = "<?xml version='1.0'?>\n<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>\n<r>&b;</r>";
    assert!(matches!(one(bomb), Err(Error::Doctype { line: 1 | 2 })));
}

#[test]
fn an_external_entity_is_refused_at_its_doctype() {
    let external = "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r>&x;</r>";
    assert!(matches!(one(external), Err(Error::Doctype { line: 1 })));
    assert!(matches!(one("<!DOCTYPE r SYSTEM 'http://h/d.dtd'><r/>"), Err(Error::Doctype { .. })));
}

#[test]
fn an_unknown_entity_is_refused_by_name() {
    let error = one("<r>\n&nbsp;</r>").unwrap_err();
    assert!(matches!(&error, Error::UnknownEntity { name, line: 2 } if name == "nbsp"), "{error}");
    assert!(one("<r a='&nbsp;'/>").is_err());
}

#[test]
fn malformed_xml_is_refused() {
    for text in [
        "",
        " ",
        "text",
        "<r>",
        "<r></s>",
        "<r/><r/>",
        "<r/>x",
        "&amp;<r/>",
        "<r a=1/>",
        "<r a='1' a='2'/>",
        "<r><a></r></a>",
        "<r",
        "</r>",
        "<r>&#0;</r>",
        "<r>&#xD800;</r>",
        "<r>\u{1}</r>",
        "<r a='&#1;'/>",
        "<r>&amp</r>",
        "<r><![CDATA[x</r>",
        "<r><!-- x</r>",
    ] {
        assert!(one(text).is_err(), "{text}");
    }
}

#[test]
fn a_fault_is_named_with_its_line() {
    let error = one("<r>\n<a>\n</b></r>").unwrap_err();
    assert!(error.to_string().starts_with("line 3: malformed xml"), "{error}");
}

#[test]
fn attributes_of_one_local_name_are_refused() {
    let error = one("<r xmlns:a='a' xmlns:b='b' a:k='1' b:k='2'/>").unwrap_err();
    assert!(matches!(&error, Error::Duplicate { name, .. } if name == "@k"), "{error}");
}

#[test]
fn a_depth_bomb_is_refused() {
    let error = one(&"<a>".repeat(100_000)).unwrap_err();
    assert!(matches!(error, Error::TooDeep { limit: 32, line: 1 }), "{error}");
}

#[test]
fn too_many_elements_and_attributes_are_refused() {
    let limits = Limits { max_elements: 3, max_attributes: 2, ..Limits::default() };
    let read = |text| decode(text, Encoding::Utf8, &XmlOptions::default(), &limits);
    assert!(matches!(read("<r><a/><a/><a/></r>"), Err(Error::TooManyElements { limit: 3, .. })));
    assert!(matches!(read("<r a='' b='' c=''/>"), Err(Error::TooManyAttributes { limit: 2, .. })));
    read("<r a='' b=''><a/><a/></r>").unwrap();
}

#[test]
fn a_declaration_that_contradicts_the_codec_is_refused() {
    let declared = |name: &str| format!("<?xml version='1.0' encoding='{name}'?><r/>");
    let error = one(&declared("GBK")).unwrap_err();
    assert!(matches!(&error, Error::DeclaredEncoding { declared, .. } if declared == "GBK"), "{error}");
    one(&declared("utf-8")).unwrap();
    let (options, limits) = (XmlOptions::default(), Limits::default());
    decode(&declared("gb2312"), Encoding::Gb18030, &options, &limits).unwrap();
    decode(&declared("UTF-8"), Encoding::Gb18030, &options, &limits).unwrap_err();
}
