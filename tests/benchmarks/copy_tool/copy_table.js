// copy-dynamodb-table as a peer of the benchmark: node copy_table.js ENDPOINT SOURCE TARGET
const { copy } = require('copy-dynamodb-table')

const [endpoint, source, target] = process.argv.slice(2)
const config = { endpoint, region: 'us-east-1' }
copy({ config, source: { tableName: source }, destination: { tableName: target } }, (error, result) => {
  if (error || result.status !== 'SUCCESS') {
    console.error(error || result)
    process.exit(1)
  }
})
