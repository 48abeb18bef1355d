// The original destination behind kafkajs: each event through @segment/action-destinations, so many at a time.
//   node original.mjs PACKAGES BOOTSTRAP TOPIC URL CONCURRENCY
// PACKAGES is a folder whose node_modules holds kafkajs and the @segment packages. No order is kept.
process.env.TZ = 'UTC'
process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'

const [packages, bootstrap, topic, url, concurrency] = process.argv.slice(2)
const require = createRequire(pathToFileURL(join(packages, 'x.js')))
const segment = join(packages, 'node_modules', '@segment')
const { Kafka, logLevel } = require('kafkajs')
const { Destination } = require(join(segment, 'actions-core/dist/cjs/index.js'))
const chartmogul = require(join(segment, 'action-destinations/dist/destinations/chartmogul/index.js')).default

const destination = new Destination(chartmogul)
const wants = { sendContact: 'identify', sendCustomer: 'group' }
const settings = {}
for (const [slug, action] of Object.entries(chartmogul.actions)) {
  const mapping = Object.fromEntries(Object.entries(action.fields).map(([name, field]) => [name, field.default]))
  settings[wants[slug]] = {
    chartmogul_webhook_url: url,
    subscription: { subscribe: action.defaultSubscription, partnerAction: slug, mapping },
  }
}

const consumer = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.ERROR }).consumer({
  groupId: `original-${topic}`,
  maxWaitTimeInMs: 100,
})
await consumer.connect()
await consumer.subscribe({ topics: [topic], fromBeginning: true })
await consumer.run({
  partitionsConsumedConcurrently: 4,
  eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
    let next = 0
    const worker = async () => {
      while (next < batch.messages.length) {
        const event = JSON.parse(batch.messages[next++].value)
        const wanted = settings[event.type]
        if (wanted) await destination.onEvent(event, wanted)
        destination.responses.length = 0
      }
    }
    await Promise.all(Array.from({ length: Math.ceil(concurrency / 4) }, worker))
    resolveOffset(batch.lastOffset())
    await heartbeat()
  },
})
