length = 20
rule "charset" {
 charset = "abcdefghijklmnopqrstuvwxyz"
 min-chars = 1
}
rule "charset" { charset = "0123456789éü\u00e0" min-chars = 2 }
