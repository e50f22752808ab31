path "a" {
 x = <<E
${a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=a<a<{ e=1}
E
}
