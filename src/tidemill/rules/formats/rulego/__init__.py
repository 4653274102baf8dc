"""RuleGo's rule chain DSL (reference: https://rulego.cc, `api/types/dsl.go`)."""
