path "a" {
 x = a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=a==a=={ e=1
}
