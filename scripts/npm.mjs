/**
 * The npm that the user has, as the first words of a command. Under `npm run` the first npm on the path is another one: node_modules/.bin/npm, version 6,
 * which comes with the test runner of AssemblyScript.
 */
export const NPM = process.env.npm_execpath === undefined ? ["npm"] : [process.execPath, process.env.npm_execpath];
