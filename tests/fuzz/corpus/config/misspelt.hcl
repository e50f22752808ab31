listner "tcp" {}
