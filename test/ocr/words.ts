/** Words of the rendered test lines: everyday English with many shapes of letters. */
export const WORDS: readonly string[] = `
about above across after again air almost along animal answer apple around autumn bank basket beach because before begin below between
bicycle black blue board book bottle bread bridge bright brown build butter button camera candle carbon castle chair change chapter cheese
chocolate church circle city clock cloud coffee cold copper corner cotton country crystal dance daughter decimal delivery desert detail dinner
distance doctor dozen dream drive early earth east eight electric engine equal evening every example express eye factory family farm feather
field figure finger fire first fish five flavour flower forest fork forty fresh friend front fruit future garden gather gentle glass gold
grain grass green ground group guitar half hammer handle harbour heavy height honey horse hotel hour house hundred island jacket jazz journey
juice jungle kettle key kitchen knife ladder lake language large laugh leather letter library light liquid listen little machine magnet
maple marble market meadow measure metal middle milk minute mirror morning mountain movement music narrow needle never night north notebook
number ocean office orange order oxygen paint paper pattern pencil pepper piano picture plastic pocket potato power precise pressure print
quality quarter queen question quick quiet quiz rabbit radio railway rain receipt record rhythm ribbon river road rocket rough round sailor
salt sand saturday school science season second seven shadow sharp shell silver simple singer sketch smooth snow soft sound south spring
square stamp station steel storm story straight street sugar summer switch table teacher thirty thunder ticket timber tomato total tower
train travel triangle tunnel umbrella under until useful valley vanilla velvet village violet voice wagon water weather wheel whisper window
winter wooden yellow yesterday young zebra zero zigzag zone
`
  .trim()
  .split(/\s+/);
